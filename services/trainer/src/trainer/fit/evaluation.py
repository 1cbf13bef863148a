"""What a fitted model is worth on records. Runs inside the child only."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.results import ClassificationReport, RegressionReport
from kafkaml.schemas.trainings import ConfusionMatrix
from trainer.data.chunks import chunks_of
from trainer.data.dataset import Dataset
from trainer.data.split import Indices
from trainer.fit.batches import BatchSource
from trainer.fit.classification import ClassCounts
from trainer.fit.regression import ErrorSums
from trainer.fit.tasks import Classification, Regression, task_of

VALUES_AT_ONCE = 2**23


@dataclass(frozen=True, slots=True)
class Assessment:
    """What predictions say about a model, or why they say nothing."""

    confusion_matrix: ConfusionMatrix | None = None
    classification: ClassificationReport | None = None
    regression: RegressionReport | None = None
    no_report: str | None = None


def evaluate(
    model: Any, source: BatchSource, part: Indices, *, size: int
) -> dict[str, Any]:
    """Return the model's metrics on some records; empty if there are none."""
    if not len(part):
        return {}
    metrics: dict[str, Any] = model.evaluate(
        source.batches(part, size=size), return_dict=True, verbose=0
    )
    return metrics


def assess(
    model: Any, source: BatchSource, dataset: Dataset, parameters: TrainingParameters
) -> Assessment:
    """Compare predictions with the truth, on the test part if there is one.

    Else on the validation, else on the training part. What cannot be told is said so and
    logged: it must not cost the training.
    """
    if not parameters.report and not parameters.confusion_matrix:
        return Assessment(no_report="neither report nor confusion_matrix was asked for")
    try:
        return _assess(model, source, dataset, parameters)
    except Exception as e:  # noqa: BLE001  # a custom model's predict may raise anything
        traceback.print_exc(file=sys.stderr)
        return Assessment(no_report=f"predicting failed: {type(e).__name__}: {e!s:.300}")


def _assess(
    model: Any, source: BatchSource, dataset: Dataset, parameters: TrainingParameters
) -> Assessment:
    name, part = _part(dataset)
    outputs = _predictions(model, source, part, size=parameters.batch_size)
    first_rows, first = next(outputs)
    labels, part = dataset.labels, np.asarray(part)
    task = _task_of(first.shape[1:], labels, part, loss=model.loss)
    if isinstance(task, str):
        return Assessment(no_report=task)
    sums = ClassCounts(task) if isinstance(task, Classification) else ErrorSums(task)
    sums.add(np.asarray(labels[part[first_rows]]), first)
    for rows, predicted in outputs:
        sums.add(np.asarray(labels[part[rows]]), predicted)
    if isinstance(sums, ErrorSums):
        return Assessment(regression=sums.report(name) if parameters.report else None)
    return Assessment(
        confusion_matrix=sums.matrix(name) if parameters.confusion_matrix else None,
        classification=sums.report(name) if parameters.report else None,
    )


def _task_of(
    shape: tuple[int, ...], labels: NDArray[Any], part: Indices, *, loss: Any
) -> Classification | Regression | str:
    """Return the task that all labels allow, however many there are."""
    found = [task_of(shape, each, loss=loss) for _, each in chunks_of(labels, part)]
    ranked: tuple[type, ...] = (str, Regression, Classification)
    return min(found, key=lambda task: ranked.index(type(task)))


def _predictions(
    model: Any, source: BatchSource, part: Indices, *, size: int
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield outputs with the rows of the part that they are for, not too many at once."""
    start, count = 0, min(len(part), max(size, 1))
    with _single_steps(model):
        while start < len(part):
            rows = slice(start, min(start + count, len(part)))
            batches = source.feature_batches(part[rows], size=size)
            outputs = np.asarray(model.predict(batches, verbose=0))
            yield rows, outputs
            start = rows.stop
            width = max(1, int(np.prod(outputs.shape[1:])))
            count = max(size, VALUES_AT_ONCE // width)


@contextmanager
def _single_steps(model: Any) -> Iterator[None]:
    """Let Keras predict step by step: it would trace the model for each step of a call."""
    steps, model.steps_per_execution = model.steps_per_execution, 1
    model.predict_function = None  # one for other steps is of no use; Keras makes it anew
    try:
        yield
    finally:
        model.steps_per_execution = steps


def _part(dataset: Dataset) -> tuple[str, Indices]:
    parts = dataset.parts
    if len(parts.test):
        return "test", parts.test
    if len(parts.validation):
        return "validation", parts.validation
    return "training", parts.training
