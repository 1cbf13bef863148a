"""What the relay tells Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from api.tables.base import utc_now


class RelayMetrics:
    """Counters of one relay; an old oldest record means that Kafka is away."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._published = Counter(
            "kafkaml_outbox_published_records",
            "Records that Kafka has acknowledged",
            registry=self.registry,
        )
        self._parked = Counter(
            "kafkaml_outbox_parked_records",
            "Records that Kafka will never take",
            registry=self.registry,
        )
        self._age = Gauge(
            "kafkaml_outbox_oldest_record_age_seconds",
            "How long the oldest record has waited",
            registry=self.registry,
        )
        self._oldest: dict[bool, datetime | None] = {}
        self._age.set_function(self._age_seconds)

    @classmethod
    @contextmanager
    def served(cls, port: int | None) -> Iterator[Self]:
        """Serve the metrics on a port, or on none, while the context lasts."""
        metrics = cls()
        if port is None:
            yield metrics
            return
        server, thread = start_http_server(port, registry=metrics.registry)
        try:
            yield metrics
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def published(self, count: int) -> None:
        """Count records that were published."""
        self._published.inc(count)

    def parked(self) -> None:
        """Count a record that was parked."""
        self._parked.inc()

    def saw_oldest(self, created_at: datetime | None, *, letters: bool = False) -> None:
        """Note the oldest of the letters or of all else; None if there is none."""
        self._oldest[letters] = created_at

    def _age_seconds(self) -> float:
        now = utc_now()
        waiting = [each for each in self._oldest.values() if each is not None]
        return max([0.0, *((now - each).total_seconds() for each in waiting)])
