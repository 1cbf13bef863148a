"""What one model did since it began to answer: by this a canary or a shadow is judged."""

import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from kafkaml.records.base import Array
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import OutputFormat
from kafkaml.schemas.statistics import (
    CALL_BOUNDS_SECONDS,
    MAX_CLASSES,
    ModelFigures,
    ModelRole,
)

MAX_VALUES = 2**15
"""Of one batch: of more, answers at equal distances are looked at."""


class ModelCounts:
    """Counts for one model in one role; one thread counts, any may read."""

    def __init__(
        self, *, role: ModelRole, order: InferenceOrder, answer_width: int | None = None
    ) -> None:
        """Take the order for this model; of wider rows only `answer_width` are answer."""
        self.role = role
        self.model = f"{order.training_id}/{order.model_version}"
        self.answered = self.failed = self.dropped = self.unsent = 0
        self.call_seconds = 0.0
        self.call_counts = [0] * (len(CALL_BOUNDS_SECONDS) + 1)
        self.looked_at = self.not_finite = 0
        self.score_sum = self.score_square_sum = 0.0
        self._classes = np.zeros(0, np.int64)
        self._trouble: str | None = None
        self._order = order
        self._answer_width = answer_width
        self._has_labels = order.output_format is OutputFormat.LABEL

    @contextmanager
    def call(self) -> Iterator[None]:
        """Time a call with a batch, unless it raises."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self.call_seconds += seconds
        self.call_counts[bisect_left(CALL_BOUNDS_SECONDS, seconds)] += 1

    def fail(self, error: Exception, records: int = 1) -> None:
        """Count records that could not be predicted."""
        self.failed += records
        self._trouble = str(error) or type(error).__name__

    def drop(self, records: int) -> None:
        """Count records that there was no time for."""
        self.dropped += records

    def lose(self, reason: str, answers: int = 1) -> None:
        """Count answers that Kafka did not take."""
        self.unsent += answers
        self._trouble = reason

    def answer(self, predictions: Array) -> None:
        """Count answers, and look at some of them."""
        self.answered += len(predictions)
        rows = predictions.reshape(len(predictions), -1)[:, : self._answer_width]
        if rows.dtype.kind not in "biuf" or not rows.size:
            return
        rows = rows[:: -(-rows.size // MAX_VALUES)]
        self.looked_at += len(rows)
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            self.not_finite += len(rows) - int(finite.sum())
            rows = rows[finite]
        scores = rows.max(axis=1).astype(np.float64)
        self.score_sum += float(scores.sum())
        self.score_square_sum += float(np.square(scores).sum())
        self._count_classes(rows)

    @property
    def classes(self) -> dict[int, int]:
        """How often each class was the likeliest.

        One number is the score of class 1 of two where answers are labels, else no class.
        """
        counts = self._classes
        return {place: int(counts[place]) for place in np.flatnonzero(counts).tolist()}

    @property
    def figures(self) -> ModelFigures:
        """What is told to the API."""
        return ModelFigures(
            role=self.role,
            revision=self._order.revision,
            training_id=self._order.training_id,
            model_version=self._order.model_version,
            answered=self.answered,
            failed=self.failed,
            dropped=self.dropped,
            unsent=self.unsent,
            trouble=self._trouble and self._trouble[:1000],
            call_seconds=self.call_seconds,
            call_counts=list(self.call_counts),
            looked_at=self.looked_at,
            not_finite=self.not_finite,
            score_sum=self.score_sum,
            score_square_sum=self.score_square_sum,
            classes={str(number): count for number, count in self.classes.items()},
        )

    def _count_classes(self, rows: Array) -> None:
        width = rows.shape[1]
        if width > MAX_CLASSES or (width == 1 and not self._has_labels):
            return
        chosen = rows.argmax(axis=1) if width > 1 else (rows[:, 0] >= 0.5).astype(np.int64)
        counts = np.bincount(chosen, minlength=max(width, 2))
        self._classes = self._classes + counts if len(self._classes) else counts
