"""Exactly once: replies and the offsets of their records are one transaction."""

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from inferencer.dead_letters import DeadLetterWriter
from inferencer.delivered import DeliveredBatch
from inferencer.exceptions import DeliveryError, KafkaClientLostError
from inferencer.guarantees import Partition, first_offsets, next_offsets
from inferencer.metrics import Metrics
from inferencer.record import ANY_PARTITION, Record, Reply
from inferencer.refusals import Refusals
from inferencer.transactions import Transactions

log = structlog.get_logger()


class ExactlyOnce:
    """Delivers replies and commits offsets, both or neither.

    A transaction takes several batches while the load is high, until `window_seconds` after
    the last one; the group's generation goes with it, so that Kafka refuses that of a
    replica whose partitions others have by now.
    """

    def __init__(
        self,
        *,
        consumer: Consumer,
        transactions: Transactions,
        dead_letters: DeadLetterWriter,
        window_seconds: float,
        patience_seconds: float,
        metrics: Metrics,
    ) -> None:
        self._consumer = consumer
        self._transactions = transactions
        self._dead_letters = dead_letters
        self._window_seconds = window_seconds
        self._patience_seconds = patience_seconds
        self._metrics = metrics
        self._refusals = Refusals()
        self._first: dict[Partition, int] = {}
        self._next: dict[Partition, int] = {}
        self._lost: dict[Partition, int] = {}
        self._delivered: list[DeliveredBatch] = []
        self._committed_at = 0.0
        self.trouble = ""

    def prepare(self) -> None:
        self._transactions.prepare()

    def send(self, records: Sequence[Record], replies: Sequence[Reply]) -> None:
        """Produce replies within the transaction, which nobody sees before it is committed.

        Raise DeliveryError if the transaction came to nothing.
        """
        possible = self._refusals.replace(replies, self._dead_letters)
        deadline = time.monotonic() + self._patience_seconds
        with self._metrics.stage("deliver"):
            producer = self._transactions.begin()
            try:
                for reply in possible:
                    self._produce(producer, reply, deadline)
            except KafkaException as e:
                self._fail(e)
                raise DeliveryError(self.trouble) from e
            except DeliveryError:
                self._give_up()
                raise
        self._delivered.append(
            DeliveredBatch.of(possible, dead_letter_topic=self._dead_letters.topic)
        )
        self._first = first_offsets(records) | self._first
        self._next.update(next_offsets(records))

    @property
    def pending(self) -> bool:
        return bool(self._next)

    @property
    def is_due(self) -> bool:
        age = time.monotonic() - self._committed_at
        return self.pending and age >= self._window_seconds

    def begin_at(self, partitions: Iterable[TopicPartition]) -> None:
        for each in partitions:
            self._next[each.topic, each.partition] = each.offset

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        gone = {(each.topic, each.partition) for each in partitions}
        if gone & self._first.keys():
            self._give_up()  # the transaction holds answers that others give now
        for known in (self._next, self._lost):
            for each in gone:
                known.pop(each, None)

    def commit(self) -> bool:
        if not self.pending:
            return True
        places = [
            TopicPartition(topic, partition, offset)
            for (topic, partition), offset in self._next.items()
        ]
        try:
            with self._metrics.stage("commit"):
                group = self._consumer.consumer_group_metadata()
                self._transactions.commit(places, group)
        except KafkaException as e:
            self._fail(e)
            return False
        except DeliveryError as e:
            self.trouble = str(e)
            self._give_up()
            return False
        except KafkaClientLostError:
            self._give_up()  # so that leaving the group commits nothing
            raise
        self._refusals.forget()
        self._committed_at = time.monotonic()
        for batch in self._delivered:
            self._metrics.delivered(batch)
        self._clear()
        return True

    @property
    def is_lost(self) -> bool:
        return bool(self._lost)

    def take_lost(self) -> dict[Partition, int]:
        """Ask Kafka, for a commit whose answer was lost may have come about."""
        if not self._lost:
            return {}
        self._transactions.settle()
        places = [TopicPartition(*partition) for partition in self._lost]
        try:
            known = self._consumer.committed(places, timeout=self._patience_seconds)
        except KafkaException as e:
            raise DeliveryError(
                f"the committed offsets are not known yet: {e.args[0].str()}"
            ) from e
        lost, self._lost = self._lost, {}
        for each in known:
            partition = each.topic, each.partition
            lost[partition] = max(lost[partition], each.offset)
        return lost

    def _produce(self, producer: Producer, reply: Reply, deadline: float) -> None:
        """Produce a reply; alone and watched after a refusal, to find which it was."""
        topic, key, value, headers, _, timestamp_ms = reply
        watch = self._refusals.is_searching
        note = partial(self._note, reply) if watch else None
        while True:
            try:
                # By place: that takes half the time, and this is called for each record.
                producer.produce(
                    topic, value, key, ANY_PARTITION, note, None, timestamp_ms, headers
                )
            except BufferError as e:
                if time.monotonic() > deadline:
                    raise DeliveryError("Kafka does not take the answers") from e
                producer.poll(0.1)
            except KafkaException as e:
                self._refusals.note(reply, e.args[0])
                raise
            else:
                break
        if watch:
            producer.flush(self._patience_seconds)

    def _note(self, reply: Reply, error: Any, _message: Any) -> None:
        if error is not None:
            self._refusals.note(reply, error)

    def _fail(self, e: KafkaException) -> None:
        self.trouble = f"the transaction failed: {e.args[0].str()}"
        log.warning("transaction failed, doing it again", error=e.args[0].str())
        self._refusals.search_after(e.args[0])
        self._give_up()

    def _give_up(self) -> None:
        self._transactions.fail()
        # Where partitions begin that the group never read is still to be committed.
        began = {each: at for each, at in self._next.items() if each not in self._first}
        self._lost.update(self._first)
        self._clear()
        self._next.update(began)

    def _clear(self) -> None:
        self._first.clear()
        self._next.clear()
        self._delivered.clear()
