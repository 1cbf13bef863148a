"""What a replica counts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from inferencer.delivered import DeliveredBatch
from inferencer.drift_metrics import DriftCollector
from inferencer.latencies import Latencies
from inferencer.latency_metrics import LatencyCollector

log = structlog.get_logger()

Stage = Literal["decode", "predict", "encode", "deliver", "commit"]

STAGES: tuple[Stage, ...] = ("decode", "predict", "encode", "deliver", "commit")
LETTER_STAGES: tuple[Stage, ...] = ("decode", "predict", "deliver")
SUMMARY_SECONDS = 60.0
STAGE_BUCKETS = [1e-5 * 4**power for power in range(11)]


class Metrics:
    """Counts replies and times stages; logs a summary of each minute that had some.

    Only the loop counts; any thread may read.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.batches = 0
        self.answers = 0
        self.dead_letters: dict[str, int] = dict.fromkeys(LETTER_STAGES, 0)
        self.errors: dict[str, int] = dict.fromkeys(STAGES, 0)
        self.stage_seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.latencies = Latencies()
        self.lags: dict[int, int] = {}
        self.drift = DriftCollector()
        self.registry.register(LatencyCollector(self.latencies))
        self.registry.register(self.drift)
        self._lag = Gauge(
            "kafkaml_inferencer_lag_records",
            "Records of a partition that are not taken yet",
            ["partition"],
            registry=self.registry,
        )
        self._answers = Counter(
            "kafkaml_inferencer_answers", "Records answered", registry=self.registry
        )
        self._batch_records = Histogram(
            "kafkaml_inferencer_batch_records",
            "Records per batch",
            buckets=[4**power for power in range(9)],
            registry=self.registry,
        )
        dead_letters = Counter(
            "kafkaml_inferencer_dead_letters",
            "Records that went to the dead letter topic",
            ["stage"],
            registry=self.registry,
        )
        errors = Counter(
            "kafkaml_inferencer_errors",
            "Failures after which a batch or a commit was done again",
            ["stage"],
            registry=self.registry,
        )
        seconds = Histogram(
            "kafkaml_inferencer_stage_seconds",
            "Time of a batch per stage",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        self._dead_letters = {each: dead_letters.labels(each) for each in self.dead_letters}
        self._errors = {each: errors.labels(each) for each in STAGES}
        self._seconds = {each: seconds.labels(each) for each in STAGES}
        self._summary_began = time.monotonic()
        self._summary_answers = 0
        self._summary_dead_letters = 0

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the time that the block takes to a stage; an exception is an error of it."""
        started = time.perf_counter()
        try:
            yield
        except Exception:
            self.failed(name)
            raise
        finally:
            seconds = time.perf_counter() - started
            self.stage_seconds[name] += seconds
            self._seconds[name].observe(seconds)

    def failed(self, name: Stage) -> None:
        """Count a failure after which the stage is done again."""
        self.errors[name] += 1
        self._errors[name].inc()

    def delivered(self, batch: DeliveredBatch) -> None:
        """Count a batch whose replies Kafka keeps."""
        self.batches += 1
        self.answers += batch.answers
        self._answers.inc(batch.answers)
        self._batch_records.observe(batch.records)
        for stage, count in batch.dead_letters.items():
            known = stage if stage in self.dead_letters else "deliver"
            self.dead_letters[known] += count
            self._dead_letters[known].inc(count)
        self.latencies.add(batch.timestamps_ms, weight=batch.weight)
        self._summary_answers += batch.answers
        self._summary_dead_letters += batch.dead_letters.total()

    def lags_are(self, lags: dict[int, int]) -> None:
        """Note how far the replica is behind, by partition; it has no others."""
        for gone in self.lags.keys() - lags.keys():
            self._lag.remove(gone)
        for partition, records in lags.items():
            self._lag.labels(partition).set(records)
        self.lags = lags

    def summarise(self) -> None:
        """Log the last minute, if it is over and there was something to do."""
        seconds = time.monotonic() - self._summary_began
        if seconds < SUMMARY_SECONDS:
            return
        if self._summary_answers or self._summary_dead_letters:
            log.info(
                "records answered",
                answers=self._summary_answers,
                dead_letters=self._summary_dead_letters,
                records_per_second=round(self._summary_answers / seconds, 1),
            )
        self._summary_began = time.monotonic()
        self._summary_answers = self._summary_dead_letters = 0
