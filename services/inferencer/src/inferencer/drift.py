"""Watches whether records are still like those that the model was trained on."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inferencer.window import Counts, Reference, classes_of
from kafkaml.records.base import Array
from kafkaml.schemas.statistics import WindowDrift

SHARE = 0.01
"""How much of the time may go into counting."""
BURST_SECONDS = 0.05
ROWS_AT_ONCE = 64
MAX_VALUES_AT_ONCE = 2**16
BATCHES_PER_WINDOW = 16


@dataclass(slots=True)
class _Window:
    """What is counted so far, against which reference; `waiting` is not counted yet."""

    reference: Reference
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    waiting: list[tuple[Array, Array]] = field(default_factory=list)
    waiting_rows: int = 0
    records: int = 0
    features: Counts | None = None
    classes: Counts | None = None


class DriftWatch:
    """Counts records in windows, and compares each full window with the training.

    Of large batches it takes rows at equal distances, and of many batches only as many as
    its share of the time allows: a window is then a sample of what came meanwhile. Without
    a reference it does nothing.
    """

    def __init__(self, *, share: float = SHARE) -> None:
        self.newest: WindowDrift | None = None
        self._share = share
        self._reference: Reference | None = None
        self._window: _Window | None = None
        self._credit_seconds = BURST_SECONDS
        self._seen_at = time.perf_counter()

    def compare_with(self, reference: Reference | None) -> None:
        """Begin to watch; what was watched before is forgotten. From any thread."""
        self._reference = reference
        self.newest = None

    def observe(self, batch: Array, predictions: Array) -> None:
        """Note records and the model's answers, a row of each for each record.

        Rows are kept until there are enough to be counted at once.
        """
        reference = self._reference
        if reference is None or not len(batch) or not self._may_spend():
            return
        window = self._window
        if window is None or window.reference is not reference:
            window = self._window = _Window(reference)
        rows, answers = _sampled(batch, predictions, reference)
        if window.waiting and not _alike((rows, answers), window.waiting[0]):
            self._count(window)  # what waits is of another model
            return
        window.waiting.append((rows, answers))
        window.waiting_rows += len(rows)
        if window.waiting_rows >= ROWS_AT_ONCE:
            self._count(window)

    def _may_spend(self) -> bool:
        now = time.perf_counter()
        earned = (now - self._seen_at) * self._share
        self._credit_seconds = min(self._credit_seconds + earned, BURST_SECONDS)
        self._seen_at = now
        return self._credit_seconds > 0

    def _count(self, window: _Window) -> None:
        began = time.perf_counter()
        rows = _flat([rows for rows, _ in window.waiting])
        answers = _flat([answers for _, answers in window.waiting])
        window.waiting.clear()
        window.records += window.waiting_rows
        window.waiting_rows = 0
        bins, classes = window.reference.bins, window.reference.classes
        if bins is not None and _fits(rows, len(bins.reference)):
            window.features = _sum(window.features, bins.count(rows))
        if classes is not None:
            window.classes = _sum(window.classes, classes_of(answers, classes))
        if window.records >= window.reference.options.window_records:
            self._conclude(window)
        self._credit_seconds -= time.perf_counter() - began

    def _conclude(self, window: _Window) -> None:
        self._window = None
        found = window.reference.compare(
            records=window.records,
            began_at=window.began_at,
            ended_at=datetime.now(UTC),
            features=window.features,
            classes=window.classes,
        )
        if window.reference is self._reference:
            self.newest = found


def _sampled(batch: Array, predictions: Array, reference: Reference) -> tuple[Array, Array]:
    """Return rows of both at equal distances, few enough for many batches per window."""
    most = min(
        max(ROWS_AT_ONCE, reference.options.window_records // BATCHES_PER_WINDOW),
        max(1, MAX_VALUES_AT_ONCE // max(1, batch[0].size)),
    )
    step = -(-len(batch) // most)
    return batch[::step], predictions[::step]


def _alike(one: tuple[Array, Array], two: tuple[Array, Array]) -> bool:
    return all(
        here.shape[1:] == there.shape[1:] and here.dtype == there.dtype
        for here, there in zip(one, two, strict=True)
    )


def _flat(parts: list[Array]) -> NDArray[Any]:
    return np.concatenate([each.reshape(len(each), -1) for each in parts])


def _fits(rows: NDArray[Any], features: int) -> bool:
    return rows.dtype.kind in "biuf" and rows.shape[1] == features


def _sum(counts: Counts | None, more: Counts | None) -> Counts | None:
    if counts is None or more is None:
        return counts if more is None else more
    return counts + more if counts.shape == more.shape else counts
