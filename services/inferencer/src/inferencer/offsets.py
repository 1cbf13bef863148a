"""Which offsets are answered, and which of them Kafka knows of."""

from collections.abc import Iterable, Mapping

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from inferencer.guarantees import Partition

log = structlog.get_logger()


class AnsweredOffsets:
    """Commits, for each partition, the offset after its last answered record.

    A commit that fails is tried again by the next one: offsets only grow, so nothing is
    lost by waiting, and a replica that dies meanwhile only repeats answers.
    """

    def __init__(self, *, consumer: Consumer) -> None:
        self._consumer = consumer
        self._pending: dict[Partition, int] = {}
        self.records = 0
        """How many answered records Kafka may not know of yet."""
        self.trouble = ""

    @property
    def pending(self) -> bool:
        return bool(self._pending)

    def add(self, places: Mapping[Partition, int], *, records: int = 0) -> None:
        """Note where to go on in some partitions, after so many records more."""
        self._pending.update(places)
        self.records += records

    def forget(self, partitions: Iterable[Partition]) -> None:
        for each in partitions:
            self._pending.pop(each, None)

    def commit(self) -> bool:
        """Commit what is answered; return whether nothing is left to be committed."""
        if not self._pending:
            self.records = 0
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
        return self._note(results)

    def _note(self, results: Iterable[TopicPartition]) -> bool:
        self.forget((each.topic, each.partition) for each in results if not each.error)
        if self._pending:
            self.trouble = "Kafka does not take the offsets of some partitions"
            log.warning("offsets of some partitions not committed, trying again")
        else:
            self.records = 0
        return not self._pending
