"""A model that predicts beside those that answer, and cannot hold them up."""

import queue
import threading
from collections.abc import Sequence
from typing import Any, Literal

import structlog
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry, Counter

from inferencer.model_counts import ModelCounts
from inferencer.record import Record, Reply
from inferencer.replies import ReplyMaker

log = structlog.get_logger()

BATCHES_WAITING = 8
LEAVE_SECONDS = 5.0

Batch = Sequence[Record]
Outcome = Literal["sent", "failed", "dropped"]


class ShadowMetrics:
    """Counts what became of the records that a shadow was given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._records = Counter(
            "kafkaml_inferencer_shadow_records",
            "Records whose answer the shadow sent, that it failed at, or had no time for",
            ["outcome"],
            registry=registry,
        )

    def add(self, outcome: Outcome, records: int = 1) -> None:
        self._records.labels(outcome).inc(records)


class Shadow:
    """Predicts batches on a thread of its own, and sends its answers as well as it can.

    It has a producer of its own and takes part in no transaction: whatever goes wrong is
    counted and goes no further. Where it is slower than the stream, batches are dropped.
    """

    def __init__(
        self,
        *,
        replies: ReplyMaker,
        topic: str,
        producer: Producer,
        metrics: ShadowMetrics,
        counts: ModelCounts,
    ) -> None:
        """Only replies to `topic` are sent."""
        self._replies = replies
        self._topic = topic
        self._producer = producer
        self._metrics = metrics
        self.counts = counts
        self._batches: queue.Queue[Batch | None] = queue.Queue(BATCHES_WAITING)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def take(self, records: Batch) -> None:
        """Predict records when there is time; return at once."""
        try:
            self._batches.put_nowait(records)
        except queue.Full:
            self._metrics.add("dropped", len(records))
            self.counts.drop(len(records))

    def close(self) -> None:
        """Predict what waits, if that is soon done, and end."""
        self._is_closed.set()
        self._thread.join(LEAVE_SECONDS)
        unsent = self._producer.flush(LEAVE_SECONDS)
        if unsent:
            self._lose("Kafka did not take it in time", unsent)

    def _run(self) -> None:
        while True:
            try:
                records = self._batches.get(timeout=0.2)
            except queue.Empty:
                if self._is_closed.is_set():
                    return
                self._producer.poll(0)
                continue
            if records is not None:
                self._predict(records)

    def _predict(self, records: Batch) -> None:
        try:
            replies = self._replies.replies(records)
        except Exception as e:  # noqa: BLE001 - whatever it is, it stays here
            log.warning("the shadow failed", error=str(e) or type(e).__name__)
            self._metrics.add("failed", len(records))
            self.counts.fail(e, len(records))
            return
        for reply in replies:
            self._send(reply)
        self._producer.poll(0)

    def _send(self, reply: Reply) -> None:
        if reply.topic != self._topic:  # a dead letter: the record has its answer
            self._metrics.add("failed")
            return
        try:
            self._producer.produce(
                reply.topic,
                reply.value,
                reply.key,
                headers=reply.headers,
                on_delivery=self._note,
            )
        except Exception as e:  # noqa: BLE001 - whatever it is, it stays here
            self._lose(str(e) or type(e).__name__)

    def _note(self, error: Any, _message: Any) -> None:
        """Learn what became of an answer."""
        if error is None:
            self._metrics.add("sent")
        else:
            self._lose(str(error))

    def _lose(self, reason: str, answers: int = 1) -> None:
        log.warning("answers of the shadow are lost", error=reason, answers=answers)
        self._metrics.add("failed", answers)
        self.counts.lose(reason, answers)
