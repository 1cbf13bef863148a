"""What is odd about records, but no reason not to train on them: told with the result."""

from collections.abc import Sequence

import numpy as np

from kafkaml.schemas.deployments import TrainingParameters
from trainer.data.chunks import chunks_of
from trainer.data.dataset import Dataset
from trainer.data.label_counts import count_labels
from trainer.data.records import Records

MAX_NAMED = 10


def oddities_of(
    dataset: Dataset, records: Records, parameters: TrainingParameters
) -> list[str]:
    """Return a sentence for each thing that a user would want to know."""
    found = [
        about_numbers(records),
        about_labels(records),
        about_batches(dataset, parameters),
        about_classes(dataset),
        about_weights(dataset, parameters),
    ]
    return [each for each in found if each is not None]


def about_numbers(records: Records) -> str | None:
    """Return which records hold NaN or infinity, which few models can take."""
    if not records.not_finite:
        return None
    where = records.coordinates(records.first_not_finite)
    return (
        f"{records.not_finite} of {len(records.features)} records hold NaN or infinite "
        f"values, the first is {where}: the model must replace them, or its loss is NaN"
    )


def about_labels(records: Records) -> str | None:
    """Return which labels are NaN or infinite, which a loss of the user's own may take."""
    if records.labels.dtype.kind != "f":
        return None
    count, where = 0, ""
    for first, chunk in chunks_of(records.labels):
        rows = np.flatnonzero(~np.isfinite(chunk.reshape(len(chunk), -1)).all(axis=1))
        if len(rows):
            where = where or records.coordinates(first + int(rows[0]))
            count += len(rows)
    if not count:
        return None
    return (
        f"{count} of {len(records.labels)} labels are NaN or infinite, the first is that "
        f"of record {where}: the loss must leave them out, or it is NaN"
    )


def about_batches(dataset: Dataset, parameters: TrainingParameters) -> str | None:
    """Return that an epoch is a single step."""
    count, size = len(dataset.parts.training), parameters.batch_size
    if size <= count:
        return None
    return (
        f"batch_size is {size}, but there are {count} training records: an epoch is a step"
    )


def about_classes(dataset: Dataset) -> str | None:
    """Return the classes that only records beside the training part have."""
    known = count_labels(dataset.labels, dataset.parts.training)
    if known is None or len(dataset.parts.training) == len(dataset.labels):
        return None
    parts = [count_labels(dataset.labels, part) for part in dataset.parts.held_back]
    others = sorted({int(label) for part in parts if part for label in part})
    missing = [str(label) for label in others if str(label) not in known]
    if not missing:
        return None
    return (
        f"no training record has the class {_named(missing)}, which records of other parts "
        "have: use split 'stratified' or 'shuffled', or send more"
    )


def about_weights(dataset: Dataset, parameters: TrainingParameters) -> str | None:
    """Return the classes that have a weight, but no record to be weighed."""
    weights = parameters.fit.class_weight
    if not isinstance(weights, dict):
        return None
    known = count_labels(dataset.labels, dataset.parts.training)
    missing = sorted(set(weights) - set(known or weights), key=int)
    if not missing:
        return None
    return f"fit.class_weight weighs the class {_named(missing)}: no training record has it"


def _named(classes: Sequence[str]) -> str:
    more = "" if len(classes) <= MAX_NAMED else f" and {len(classes) - MAX_NAMED} more"
    return ", ".join(classes[:MAX_NAMED]) + more
