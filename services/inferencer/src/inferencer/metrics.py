"""What a replica counts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

log = structlog.get_logger()

Stage = Literal["decode", "predict", "encode", "deliver", "commit"]

SUMMARY_SECONDS = 60.0


class Metrics:
    """Counts replies and times stages; logs a summary of each minute that had some."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "kafkaml_inferencer_answers", "Records answered", registry=self.registry
        )
        self._dead_letters = Counter(
            "kafkaml_inferencer_dead_letters",
            "Records that went to the dead letter topic",
            registry=self.registry,
        )
        self._batch_records = Histogram(
            "kafkaml_inferencer_batch_records",
            "Records per batch",
            buckets=[4**power for power in range(9)],
            registry=self.registry,
        )
        self._stage_seconds = Counter(
            "kafkaml_inferencer_stage_seconds",
            "Time spent per stage",
            ["stage"],
            registry=self.registry,
        )
        self._summary_began = time.monotonic()
        self._summary_answers = 0
        self._summary_dead_letters = 0

    @property
    def answers(self) -> int:
        """How many answers Kafka keeps so far."""
        total = self.registry.get_sample_value("kafkaml_inferencer_answers_total")
        return int(total or 0)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._stage_seconds.labels(name).inc(time.perf_counter() - started)

    def delivered(self, *, answers: int, dead_letters: int) -> None:
        """Count a batch whose replies Kafka keeps."""
        self._answers.inc(answers)
        self._dead_letters.inc(dead_letters)
        self._batch_records.observe(answers + dead_letters)
        self._summary_answers += answers
        self._summary_dead_letters += dead_letters

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
