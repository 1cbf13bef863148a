"""How many records of the input topic are not taken yet."""

import time

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from inferencer.assignment import Assignment
from inferencer.metrics import Metrics

log = structlog.get_logger()

EVERY_SECONDS = 2.0


class Lag:
    """Measures the lag from what the client knows by its fetches; the broker is not asked.

    It is the loop that calls it, for another thread might do so while the client is closed.
    """

    def __init__(
        self, *, consumer: Consumer, assignment: Assignment, metrics: Metrics
    ) -> None:
        self._consumer = consumer
        self._assignment = assignment
        self._metrics = metrics
        self._due_at = 0.0

    def measure(self) -> None:
        """Tell the metrics, unless that was done a moment ago."""
        now = time.monotonic()
        if now < self._due_at:
            return
        self._due_at = now + EVERY_SECONDS
        try:
            self._metrics.lags_are(self._lags())
        except KafkaException as e:
            log.info("the lag is not known", error=str(e))

    def _lags(self) -> dict[int, int]:
        begins = self._assignment.begins
        places = [TopicPartition(*partition) for partition in begins]
        if not places:
            return {}
        lags = {}
        for place in self._consumer.position(places):
            _, end = self._consumer.get_watermark_offsets(place, cached=True)
            taken = place.offset
            if taken < 0:  # nothing since the partition was assigned
                taken = begins[place.topic, place.partition]
            if end >= 0 and taken >= 0:
                lags[place.partition] = max(end - taken, 0)
        return lags
