"""What the options of a fit demand of the records, checked before anything is trained."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.fit import ClassWeights
from kafkaml.schemas.states import FailureReason
from trainer.data.dataset import Dataset
from trainer.data.label_counts import count_labels
from trainer.data.split import Indices
from trainer.exceptions import StreamError


def check_demands(parameters: TrainingParameters, dataset: Dataset) -> None:
    """Raise StreamError if there are too few records for what the deployment asks for."""
    counts = dataset.counts
    for option, monitor in parameters.fit.monitors.items():
        if monitor.needs_validation and not counts.validation:
            raise _unmet(
                f"fit.{option} monitors {monitor.monitor!r}, but there are no validation "
                "records: neither the deployment nor the stream has a validation_rate"
            )
    if parameters.folds and counts.training < parameters.folds:
        raise _unmet(
            f"{counts.training} training records cannot be divided into "
            f"{parameters.folds} folds: send more, or use fewer folds"
        )


def with_class_weights(
    parameters: TrainingParameters, labels: NDArray[Any], training: Indices | None = None
) -> TrainingParameters:
    """Return the parameters with weights in place of `balanced`.

    A class with n of all N training records, which have k classes, weighs N / (k n).
    `labels` has a row for each record; `training` are the rows that count, null: all.
    """
    if parameters.fit.class_weight != "balanced":
        return parameters
    counts = count_labels(labels, training)
    if counts is None:
        raise _unmet(
            "fit.class_weight is 'balanced', but the labels are no classes: it needs "
            "class numbers from 0, or one 1 among zeros"
        )
    weights: ClassWeights = {
        label: float(np.round(sum(counts.values()) / (len(counts) * count), 9))
        for label, count in counts.items()
    }
    options = parameters.fit.model_copy(update={"class_weight": weights})
    return parameters.model_copy(update={"fit": options})


def _unmet(message: str) -> StreamError:
    return StreamError(FailureReason.BAD_STREAM, message)
