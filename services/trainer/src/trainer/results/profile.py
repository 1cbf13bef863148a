"""What the training records are like, measured in bounded time and memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.profiles import MAX_FEATURES, DataProfile, ValueProfile
from trainer.data.dataset import Dataset
from trainer.data.label_counts import count_labels
from trainer.data.split import Indices
from trainer.results.columns import profile_columns

MAX_RECORDS = 2**18
MAX_VALUES = 2**24
VALUES_AT_ONCE = 2**20
MAX_LABEL_VALUES = 32

Rows = NDArray[Any]


def profile_of(dataset: Dataset, *, max_values: int = MAX_VALUES) -> DataProfile:
    """Profile the training part; of very many records, as many as the bounds allow."""
    training = np.asarray(dataset.parts.training)
    shape = dataset.features.shape[1:]
    most = max(1, max_values // max(1, int(np.prod(shape))))
    rows = _spread(training, at_most=min(MAX_RECORDS, most))
    features, labels = _flat(dataset.features[rows]), _flat(dataset.labels[rows])
    classes = count_labels(dataset.labels, training)
    return DataProfile(
        records=len(training),
        profiled=len(rows),
        shape=list(shape),
        overall=_overall(features),
        features=_profiles(features, at_most=MAX_FEATURES),
        classes=classes,
        labels=[] if classes else _profiles(labels, at_most=MAX_LABEL_VALUES),
    )


def _spread(training: Indices, *, at_most: int) -> Indices:
    """Return some of the positions, evenly spread."""
    count = min(len(training), at_most)
    return training[np.linspace(0, len(training) - 1, count).astype(np.int64)]


def _flat(rows: Rows) -> Rows | None:
    """Return a row of numbers for each record; None if they are no numbers."""
    if rows.dtype.kind not in "biuf":
        return None
    return rows.reshape(len(rows), -1)


def _overall(rows: Rows | None) -> ValueProfile | None:
    if rows is None or not rows.size:
        return None
    values = rows.reshape(-1)
    return profile_columns(values[:: -(-values.size // VALUES_AT_ONCE), None])[0]


def _profiles(rows: Rows | None, *, at_most: int) -> list[ValueProfile]:
    if rows is None or not 0 < rows.shape[1] <= at_most:
        return []
    step = max(1, VALUES_AT_ONCE // len(rows))
    return [
        profile
        for first in range(0, rows.shape[1], step)
        for profile in profile_columns(rows[:, first : first + step])
    ]
