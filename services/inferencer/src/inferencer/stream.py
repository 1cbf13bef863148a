"""The loop: from the input topic to the output topic, batch by batch."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from inferencer.assignment import Assignment
from inferencer.brake import Brake
from inferencer.exceptions import DeliveryError, KafkaClientLostError
from inferencer.garbage import collect_young
from inferencer.guarantees import Partition, ReplyGuarantee, first_offsets
from inferencer.health import Health
from inferencer.lag import Lag
from inferencer.metrics import Metrics
from inferencer.pace import Backoff, BatchLimit
from inferencer.record import Record
from inferencer.served_model import ServedModel
from inferencer.suspects import Suspects

log = structlog.get_logger()

POLL_SECONDS = 0.5
UNASSIGNED_SECONDS = 3.0
REST_SECONDS = 1.0
LEAVE_SECONDS = 10.0


class Stream:
    """Answers the records of the partitions that this replica has.

    One thread does everything, so what is read is either wholly answered and then
    committed, or read again.
    """

    def __init__(
        self,
        *,
        consumer: Consumer,
        assignment: Assignment,
        guarantee: ReplyGuarantee,
        suspects: Suspects,
        model: ServedModel,
        limit: BatchLimit,
        backoff: Backoff,
        brake: Brake,
        health: Health,
        metrics: Metrics,
        lag: Lag,
        on_joined: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._assignment = assignment
        self._guarantee = guarantee
        self._suspects = suspects
        self._model = model
        self._limit = limit
        self._backoff = backoff
        self._brake = brake
        self._health = health
        self._metrics = metrics
        self._lag = lag
        self._on_joined = on_joined
        self._subscribed_at: float | None = None

    def run(self, topic: str, stop: threading.Event) -> None:
        """Answer `topic` until told to stop, then leave the group with all committed."""
        try:
            self._wait_for(topic, stop)
            self._guarantee.prepare()
            self._assignment.subscribe(topic)
            self._subscribed_at = time.monotonic()
            while not stop.is_set():
                if self._brake.is_on:
                    self._rest(stop)
                elif not self.step():
                    self._hold(self._backoff.seconds(), stop)
            self._commit_finally()
        finally:
            self._consumer.close()

    def _wait_for(self, topic: str, stop: threading.Event) -> None:
        """Return once Kafka answers and has the topic."""
        while not stop.is_set():
            try:
                error = self._consumer.list_topics(topic, timeout=5).topics[topic].error
            except KafkaException as e:
                error = e.args[0]
            if error is None:
                return
            self._health.turned()
            log.warning("waiting for the input topic", topic=topic, error=str(error))
            stop.wait(self._backoff.seconds())

    def step(self) -> bool:
        """Answer one batch, or wait a moment for records; return whether that went well.

        A batch that is not full took all that is here, so there is time to commit.
        """
        self._health.turned()
        if self._guarantee.is_lost and not self._go_back():
            return False
        if self._guarantee.is_due and not self._commit():
            return False
        self._assignment.place_again()
        records = self._gather()
        self._announce()
        self._metrics.summarise()
        self._lag.measure()
        if self._guarantee.is_lost:  # by a rebalance meanwhile
            self._rewind(records)
            return False
        is_full = len(records) == self._limit.records
        if records and not self._answer_all(records):
            return False
        return (is_full and not self._guarantee.is_due) or self._commit()

    def _commit(self) -> bool:
        if not self._guarantee.pending:
            return True
        if not self._guarantee.commit():
            self._metrics.failed("commit")
            self._health.degraded(self._guarantee.trouble)
            return False
        self._health.recovered()
        self._backoff.reset()
        return True

    def _commit_finally(self) -> None:
        """Commit what is answered, also if a rebalance is under way just now."""
        deadline = time.monotonic() + LEAVE_SECONDS
        while not self._guarantee.commit() and time.monotonic() < deadline:
            self._hold(0.1, threading.Event())

    def _rest(self, stop: threading.Event) -> None:
        """Take no records while the brake is on, with all committed that is answered."""
        self._consumer.pause(self._consumer.assignment())
        while self._brake.is_on and not stop.is_set():
            self._health.turned()
            self._announce()
            self._commit()
            self._idle(REST_SECONDS, stop)
        self._consumer.resume(self._consumer.assignment())

    def _hold(self, seconds: float, stop: threading.Event) -> None:
        """Take no records for a while, but go on taking part in the group."""
        self._consumer.pause(self._consumer.assignment())
        self._idle(seconds, stop)
        self._consumer.resume(self._consumer.assignment())

    def _idle(self, seconds: float, stop: threading.Event) -> None:
        """Hear of the group; records of partitions that come meanwhile go back."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not stop.is_set():
            message = self._consumer.poll(0.05)
            if message is not None and self._is_record(message):
                self._rewind([message])
                self._consumer.pause(self._consumer.assignment())

    def _announce(self) -> None:
        """Say that this replica serves, once it has its partitions or is to have none.

        With the newer group protocol a member that is to have none hears nothing.
        """
        if self._subscribed_at is None:
            return
        waited = time.monotonic() - self._subscribed_at
        if self._assignment.is_known or waited > UNASSIGNED_SECONDS:
            self._subscribed_at = None
            self._health.serving()
            self._on_joined()

    def _gather(self) -> list[Record]:
        """Return a first record and what is already here: the batch grows with the load.

        `consume` with a time limit would wait that long for its batch to be full.
        """
        is_busy = self._guarantee.pending
        first = self._consumer.poll(0 if is_busy else POLL_SECONDS)
        if first is None:
            if not is_busy:
                collect_young()
            return []
        more = self._limit.records - 1
        messages = [first, *(self._consumer.consume(more, 0) if more else ())]
        return self._records(messages)

    def _records(self, messages: list[Record]) -> list[Record]:
        """Return what are records of this replica; nearly always that is all of them."""
        is_clean = not [each for each in messages if each.error() is not None]
        partitions = {each.partition() for each in messages}
        topic = messages[0].topic()
        if is_clean and all(self._assignment.has(topic, each) for each in partitions):
            return messages
        return [each for each in messages if self._is_record(each)]

    def _is_record(self, message: Record) -> bool:
        error = message.error()
        if error is None:
            # The partition may have been given back after the first record was taken.
            return self._assignment.has(message.topic(), message.partition())
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 (public)
            self._assignment.misplaced(
                message.topic(), message.partition(), message.offset()
            )
        else:
            log.warning("Kafka reports", error=str(error), topic=message.topic())
        if error.fatal():
            raise KafkaClientLostError(f"the consumer cannot go on: {error}")
        return False

    def _answer_all(self, records: list[Record]) -> bool:
        """Answer a batch; of the suspect records in it one, and the others later."""
        alone, others, later = self._suspects.divide(records)
        self._seek(later)
        if alone is not None and not self._answer_alone(alone):
            self._rewind(others)
            return False
        return not others or self._answer(others)

    def _answer_alone(self, record: Record) -> bool:
        """Answer a record with nothing else under way; return whether that is committed."""
        if not self._commit():
            self._rewind([record])
            return False
        if not (self._answer([record]) and self._commit()):
            return False
        self._suspects.passed(record)
        return True

    def _answer(self, records: Sequence[Record]) -> bool:
        started = time.monotonic()
        try:
            with self._brake.watch(records=len(records)):
                replies = self._suspects.replies(records, self._model.replies)
                self._guarantee.send(records, replies)
        except DeliveryError as e:
            log.warning("batch not answered, trying again", error=str(e))
            self._health.degraded(str(e))
            self._rewind(records)
            return False
        self._limit.learn(records=len(records), seconds=time.monotonic() - started)
        return True

    def _go_back(self) -> bool:
        """Read again what was answered in vain; return whether it is known where."""
        try:
            lost = self._guarantee.take_lost()
        except DeliveryError as e:
            log.warning("not reading on yet", error=str(e))
            self._health.degraded(str(e))
            return False
        self._seek(lost)
        return True

    def _rewind(self, records: Sequence[Record]) -> None:
        """Read the records of a batch again, which forgets those fetched behind them."""
        self._seek(first_offsets(records))

    def _seek(self, places: Mapping[Partition, int]) -> None:
        for (topic, partition), offset in places.items():
            self._consumer.seek(TopicPartition(topic, partition, offset))
