"""Which offsets are answered, and which of them Kafka knows of."""

from collections.abc import Iterable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from inferencer.guarantees import Partition
from inferencer.record import Record

log = structlog.get_logger()


class AnsweredOffsets:
    """Commits, for each partition, the offset after its last answered record.

    A commit that fails is tried again by the next one: offsets only grow, so nothing is
    lost by waiting, and a replica that dies meanwhile only repeats answers.
    """

    def __init__(self, *, consumer: Consumer) -> None:
        self._consumer = consumer
        self._pending: dict[Partition, int] = {}
        self.trouble = ""

    @property
    def pending(self) -> bool:
        return bool(self._pending)

    @property
    def is_due(self) -> bool:
        return self.pending

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            self._pending[record.topic(), record.partition()] = record.offset() + 1

    def begin_at(self, partitions: Iterable[TopicPartition]) -> None:
        for each in partitions:
            self._pending[each.topic, each.partition] = each.offset

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        for each in partitions:
            self._pending.pop((each.topic, each.partition), None)

    def commit(self) -> bool:
        if not self._pending:
            return True
        offsets = [
            TopicPartition(topic, partition, offset)
            for (topic, partition), offset in self._pending.items()
        ]
        try:
            results = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as e:
            self.trouble = f"Kafka does not take the offsets: {e.args[0].str()}"
            log.warning("offsets not committed, trying again", error=str(e))
            return False
        self.forget(each for each in results if each.error is None)
        if self._pending:
            self.trouble = "Kafka does not take the offsets of some partitions"
            log.warning("offsets of some partitions not committed, trying again")
        return not self._pending

    @property
    def is_lost(self) -> bool:
        return False  # what was delivered stays delivered

    def take_lost(self) -> dict[Partition, int]:
        return {}
