"""Sends replies and knows which of them Kafka keeps."""

import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from inferencer.dead_letters import DeadLetterWriter
from inferencer.delivered import DeliveredBatch
from inferencer.exceptions import DeliveryError, KafkaClientLostError
from inferencer.metrics import Metrics
from inferencer.record import ANY_PARTITION, Reply
from inferencer.refusals import PERHAPS_REFUSALS, REFUSALS

log = structlog.get_logger()

Failure = tuple[Reply, Any]

# Beyond the time that the client has for a message before it gives up and says so.
GRACE_SECONDS = 5.0


class Shipment:
    """Replies that were given to Kafka's client, and what it reported of them.

    The client calls only for those that Kafka does not keep: a call for each record takes
    as long as sending it. Of the others it lets go, and when it holds none of the batch any
    more, all are reported.
    """

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.replies = replies
        self.failures: list[Failure] = []
        self._reports: Callable[[], _Reports | None] = _nothing

    def reports(self) -> "_Reports":
        """Return what the client is to hold for each of the replies."""
        reports = _Reports(self.failures)
        self._reports = weakref.ref(reports)
        return reports

    @property
    def is_reported(self) -> bool:
        """Whether it is known of each reply if Kafka keeps it as it is."""
        return self._reports() is None


class _Reports:
    def __init__(self, failures: list[Failure]) -> None:
        self._failures = failures

    def failed(self, reply: Reply, error: Any, _message: Any = None) -> None:
        self._failures.append((reply, error))


def _nothing() -> None:
    """Stand for a reference to nothing."""


class Delivery:
    """Delivers replies, batch after batch, several of which may be under way at a time."""

    def __init__(
        self,
        *,
        producer: Producer,
        dead_letters: DeadLetterWriter,
        patience_seconds: float,
        metrics: Metrics,
    ) -> None:
        self._producer = producer
        self._dead_letters = dead_letters
        self._patience_seconds = patience_seconds
        self._metrics = metrics

    def send(self, replies: Sequence[Reply]) -> Shipment:
        """Give replies to Kafka's client, which sends them."""
        with self._metrics.stage("deliver"):
            return self._enqueue_all(replies)

    def look(self) -> None:
        """Take the reports that are here; `Shipment.is_reported` then says of which."""
        self._producer.poll(0)

    def settle(self, shipment: Shipment) -> None:
        """Return once Kafka keeps every reply, in this form or as a dead letter.

        Raise DeliveryError if some reply may not be kept; a few of them may then be, so
        doing the batch again can repeat an answer but never lose one.
        """
        turned = 0
        with self._metrics.stage("deliver"):
            refused = self._settle(shipment)
            if refused:
                turned = sum(each.topic != self._dead_letters.topic for each, _ in refused)
                refused = self._send_all(self._instead(refused))
            if refused:
                refused = self._send_all(self._shortened(refused))
            if refused:
                raise DeliveryError(f"Kafka refuses a dead letter: {refused[0][1]}")
        topic = self._dead_letters.topic
        self._metrics.delivered(
            DeliveredBatch.of(shipment.replies, dead_letter_topic=topic, refused=turned)
        )

    def hurry(self) -> None:
        """Have all sent without waiting for more to send with it; wait for the reports.

        Raise DeliveryError if they do not come in time.
        """
        with self._metrics.stage("deliver"):
            self._flush()

    def _instead(self, refused: Iterable[Failure]) -> list[Reply]:
        """Turn refused answers into dead letters; dead letters stay what they are."""
        return [
            reply
            if reply.topic == self._dead_letters.topic
            else self._dead_letters.write(
                reply.about,
                stage="deliver",
                error=error.name(),
                reason=f"Kafka refuses the answer ({len(reply.value or b'')} bytes): "
                f"{error.str()}",
            )
            for reply, error in refused
        ]

    def _shortened(self, refused: Iterable[Failure]) -> list[Reply]:
        return [
            self._dead_letters.shorten(reply, reason=error.str())
            for reply, error in refused
        ]

    def _send_all(self, replies: Sequence[Reply]) -> list[Failure]:
        """Send replies; return those that Kafka refuses for what they are."""
        return self._settle(self._enqueue_all(replies))

    def _settle(self, shipment: Shipment) -> list[Failure]:
        """Wait for the reports; return what is refused for what it is."""
        self._wait_for(shipment)
        if shipment.failures:
            self._flush()  # so that nothing of a batch that fails is sent after its repeat
        refused: list[Failure] = []
        for reply, _ in _refusals(shipment.failures, among=PERHAPS_REFUSALS):
            alone = self._enqueue_all([reply])
            self._flush()
            refused.extend(_refusals(alone.failures, among=REFUSALS))
        return refused

    def _wait_for(self, shipment: Shipment) -> None:
        deadline = time.monotonic() + self._patience_seconds + GRACE_SECONDS
        while not shipment.is_reported:
            self._producer.poll(0.1)
            if time.monotonic() > deadline:
                raise DeliveryError("Kafka did not answer in time")

    def _flush(self) -> None:
        if self._producer.flush(self._patience_seconds + GRACE_SECONDS):
            raise DeliveryError("Kafka did not answer in time")

    def _enqueue_all(self, replies: Sequence[Reply]) -> Shipment:
        shipment = Shipment(replies)
        failed = shipment.reports().failed
        for reply in replies:
            self._enqueue(reply, partial(failed, reply))
        return shipment

    def _enqueue(self, reply: Reply, failed: Any) -> None:
        topic, key, value, headers, _, timestamp_ms = reply
        while True:
            try:
                # By place: that takes half the time, and this is called for each record.
                self._producer.produce(
                    topic, value, key, ANY_PARTITION, failed, None, timestamp_ms, headers
                )
            except BufferError:
                self._producer.poll(0.1)  # ends: each message is kept or given up in time
            except KafkaException as e:
                failed(e.args[0])
                return
            else:
                return


def _refusals(failures: list[Failure], *, among: frozenset[int]) -> list[Failure]:
    """Return `failures` if all are refusals, else raise for the first that is not."""
    for reply, error in failures:
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 (public)
            raise KafkaClientLostError(f"the producer cannot go on: {error}")
        if error.code() not in among:
            raise DeliveryError(f"{reply.topic}: {error}")
    return failures
