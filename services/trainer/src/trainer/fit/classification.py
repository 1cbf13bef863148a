"""How well a model tells classes apart, from counts. Runs inside the child only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.results import ClassificationReport, ClassScores, Scores
from kafkaml.schemas.trainings import ConfusionMatrix
from trainer.fit.tasks import Classification

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]


class ClassCounts:
    """Counts records by their true and their predicted class."""

    def __init__(self, task: Classification) -> None:
        self._task = task
        self._counts = np.zeros((task.classes, task.classes), np.int64)

    def add(self, labels: NDArray[Any], outputs: NDArray[Any]) -> None:
        """Count records; `outputs` has shape `(records, classes)` or `(records, 1)`."""
        task = self._task
        flat = labels.reshape(len(labels), -1)
        truth = flat.argmax(axis=1) if task.has_one_hot_labels else flat[:, 0]
        if task.threshold is None:
            predicted = outputs.argmax(axis=1)
        else:
            predicted = outputs[:, 0] > task.threshold
        rows = truth.astype(np.int64), predicted.astype(np.int64)
        np.add.at(self._counts, rows, 1)

    def matrix(self, part: str) -> ConfusionMatrix:
        return ConfusionMatrix(
            labels=[str(label) for label in range(self._task.classes)],
            matrix=self._counts.tolist(),
            part=part,
        )

    def report(self, part: str) -> ClassificationReport:
        return classification_report(
            self._counts, part=part, threshold=self._task.threshold
        )


def classification_report(
    counts: Counts, *, part: str, threshold: float | None
) -> ClassificationReport:
    """Return the scores of each class from a confusion matrix, and their averages."""
    hits = np.diagonal(counts).astype(np.float64)
    support, predicted = counts.sum(axis=1), counts.sum(axis=0)
    scores = {
        "precision": _ratios(hits, predicted),
        "recall": _ratios(hits, support),
        "f1": _ratios(2 * hits, support + predicted),
    }
    total = int(counts.sum())
    return ClassificationReport(
        part=part,
        threshold=threshold,
        accuracy=float(hits.sum() / total) if total else None,
        classes=[
            ClassScores(
                label=str(label),
                support=int(support[label]),
                **{name: _finite(values[label]) for name, values in scores.items()},
            )
            for label in range(len(counts))
        ],
        macro_average=_average(scores, np.ones(len(counts)), support=total),
        weighted_average=_average(scores, support.astype(np.float64), support=total),
    )


def _average(scores: dict[str, Numbers], weights: Numbers, *, support: int) -> Scores:
    means = {
        name: _finite(_ratios(np.nansum(values * weights), weights.sum()))
        for name, values in scores.items()
    }
    return Scores(support=support, **means)


def _ratios(parts: Any, wholes: Any) -> Numbers:
    """Divide; what is not defined is NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(parts, wholes, dtype=np.float64))


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
