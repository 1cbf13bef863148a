"""Sends replies and knows which of them Kafka keeps."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from inferencer.dead_letters import DeadLetterWriter
from inferencer.delivered import DeliveredBatch
from inferencer.exceptions import DeliveryError, KafkaClientLostError
from inferencer.metrics import Metrics
from inferencer.record import Reply
from inferencer.refusals import PERHAPS_REFUSALS, REFUSALS

log = structlog.get_logger()

Failure = tuple[Reply, Any]


class Delivery:
    """Delivers the replies of one batch at a time, without waiting for Kafka at first."""

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
        self._on_way: Sequence[Reply] = ()
        self._failures: list[Failure] = []

    def send(self, replies: Sequence[Reply]) -> None:
        """Give replies to Kafka's client, which sends them; `settle` those before first."""
        self._on_way = replies
        with self._metrics.stage("deliver"):
            self._failures = self._enqueue_all(replies)

    def settle(self) -> None:
        """Return once Kafka keeps every reply, in this form or as a dead letter.

        Raise DeliveryError if some reply may not be kept; a few of them may then be, so
        doing the batch again can repeat an answer but never lose one.
        """
        replies, self._on_way = self._on_way, ()
        if not replies:
            return
        with self._metrics.stage("deliver"):
            refused = self._settle(self._failures)
            turned = sum(each.topic != self._dead_letters.topic for each, _ in refused)
            if refused:
                refused = self._send_all(self._instead(refused))
            if refused:
                refused = self._send_all(self._shortened(refused))
            if refused:
                raise DeliveryError(f"Kafka refuses a dead letter: {refused[0][1]}")
        topic = self._dead_letters.topic
        self._metrics.delivered(
            DeliveredBatch.of(replies, dead_letter_topic=topic, refused=turned)
        )

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

    def _settle(self, failures: list[Failure]) -> list[Failure]:
        """Wait for the answers to what was sent; return what is refused for what it is."""
        self._flush()
        refused: list[Failure] = []
        for reply, _ in _refusals(failures, among=PERHAPS_REFUSALS):
            alone = self._enqueue_all([reply])
            self._flush()
            refused.extend(_refusals(alone, among=REFUSALS))
        return refused

    def _flush(self) -> None:
        if self._producer.flush(self._patience_seconds + 5):
            raise DeliveryError("Kafka did not answer in time")

    def _enqueue_all(self, replies: Sequence[Reply]) -> list[Failure]:
        """Return where those are noted that Kafka does not keep, as far as known yet."""
        failures: list[Failure] = []
        for reply in replies:
            self._enqueue(reply, failures)
        return failures

    def _enqueue(self, reply: Reply, failures: list[Failure]) -> None:
        while True:
            try:
                self._producer.produce(
                    reply.topic,
                    reply.value,
                    reply.key,
                    headers=reply.headers,
                    timestamp=reply.timestamp_ms,
                    on_delivery=partial(_note_failure, failures, reply),
                )
            except BufferError:
                self._producer.poll(0.1)  # ends: each message is kept or given up in time
            except KafkaException as e:
                failures.append((reply, e.args[0]))
                return
            else:
                return


def _note_failure(failures: list[Failure], reply: Reply, error: Any, _message: Any) -> None:
    if error is not None:
        failures.append((reply, error))


def _refusals(failures: list[Failure], *, among: frozenset[int]) -> list[Failure]:
    """Return `failures` if all are refusals, else raise for the first that is not."""
    for reply, error in failures:
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 (public)
            raise KafkaClientLostError(f"the producer cannot go on: {error}")
        if error.code() not in among:
            raise DeliveryError(f"{reply.topic}: {error}")
    return failures
