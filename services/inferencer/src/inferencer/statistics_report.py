"""What a replica counts, told to the API every few seconds."""

import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from inferencer.drift import DriftWatch
from inferencer.metrics import Metrics
from inferencer.report import Reporter
from inferencer.served_model import ServedModel
from kafkaml.schemas.statistics import (
    PartitionLag,
    RecentFigures,
    StatisticsReport,
)

SECONDS = 5.0
RECENT_REPORTS = 12  # so that what is recent is a minute
INSTANCE = secrets.token_hex(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    """The counters at one moment."""

    at: float
    records: int
    batches: int
    latency_counts: list[int]
    stage_seconds: dict[str, float]

    @classmethod
    def of(cls, metrics: Metrics) -> Self:
        return cls(
            at=time.monotonic(),
            records=metrics.answers + sum(metrics.dead_letters.values()),
            batches=metrics.batches,
            latency_counts=list(metrics.latencies.counts),
            stage_seconds=dict(metrics.stage_seconds),
        )

    def since(self, before: "_Snapshot") -> RecentFigures:
        """Return what was counted between two moments."""
        return RecentFigures(
            seconds=self.at - before.at,
            records=self.records - before.records,
            batches=self.batches - before.batches,
            latency_counts=[
                now - then
                for now, then in zip(
                    self.latency_counts, before.latency_counts, strict=True
                )
            ],
            stage_seconds={
                stage: max(seconds - before.stage_seconds[stage], 0.0)
                for stage, seconds in self.stage_seconds.items()
            },
        )


class StatisticsReporter:
    """Makes reports of what the metrics count, and sends them.

    A report that does not arrive is not sent again, for the next one has all that it had.
    """

    def __init__(
        self,
        *,
        reporter: Reporter,
        metrics: Metrics,
        drift: DriftWatch,
        model: ServedModel,
        replica: int,
    ) -> None:
        self._model = model
        self._reporter = reporter
        self._metrics = metrics
        self._drift = drift
        self._replica = replica
        self._began_at = time.monotonic()
        self._snapshots = deque([_Snapshot.of(metrics)], maxlen=RECENT_REPORTS + 1)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Report meanwhile."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(done,), name="statistics", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            done.set()

    def report(self) -> StatisticsReport:
        """Return what is counted so far; what is recent ends with this call."""
        metrics, window = self._metrics, self._drift.newest
        metrics.drift.window = window
        now = _Snapshot.of(metrics)
        self._snapshots.append(now)
        return StatisticsReport(
            replica=self._replica,
            instance=INSTANCE,
            uptime_seconds=now.at - self._began_at,
            answers=metrics.answers,
            dead_letters=dict(metrics.dead_letters),
            errors=dict(metrics.errors),
            lags=[
                PartitionLag(partition=partition, records=records)
                for partition, records in sorted(metrics.lags.items())
            ],
            recent=now.since(self._snapshots[0]),
            drift=window,
            models=[each.figures for each in self._model.counts],
        )

    def _run(self, done: threading.Event) -> None:
        # At random, so that the replicas of an inference do not tell all at once.
        while not done.wait(SECONDS * random.uniform(0.75, 1.25)):  # noqa: S311
            self._reporter.counts(self.report())
