"""At least once: offsets are committed when Kafka keeps the replies to their records."""

from collections.abc import Iterable, Sequence

from confluent_kafka import TopicPartition

from inferencer.delivery import Delivery
from inferencer.exceptions import DeliveryError
from inferencer.guarantees import Partition, first_offsets, next_offsets
from inferencer.metrics import Metrics
from inferencer.offsets import AnsweredOffsets
from inferencer.record import Record, Reply


class AtLeastOnce:
    """Sends a batch, which Kafka takes in while the next one is predicted.

    The next one is sent when this one is kept and committed. So a replica that dies leaves
    at most one batch to be answered again.
    """

    def __init__(
        self, *, delivery: Delivery, offsets: AnsweredOffsets, metrics: Metrics
    ) -> None:
        self._delivery = delivery
        self._offsets = offsets
        self._metrics = metrics
        self._first: dict[Partition, int] = {}
        self._next: dict[Partition, int] = {}
        self._lost: dict[Partition, int] = {}
        self._is_troubled = False
        self.trouble = ""

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def send(self, records: Sequence[Record], replies: Sequence[Reply]) -> None:
        if not self.commit():
            raise DeliveryError(self.trouble)
        self._first, self._next = first_offsets(records), next_offsets(records)
        self._delivery.send(replies)

    @property
    def pending(self) -> bool:
        return bool(self._next) or self._offsets.pending

    @property
    def is_due(self) -> bool:
        """After trouble, one batch at a time, until one is committed."""
        return self._is_troubled and self.pending

    def begin_at(self, partitions: Iterable[TopicPartition]) -> None:
        self._offsets.add(
            {(each.topic, each.partition): each.offset for each in partitions}
        )

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        gone = [(each.topic, each.partition) for each in partitions]
        self._offsets.forget(gone)
        for known in (self._first, self._next, self._lost):
            for each in gone:
                known.pop(each, None)

    def commit(self) -> bool:
        if not self.pending:
            return True
        if not self._settle():
            return False
        with self._metrics.stage("commit"):
            is_committed = self._offsets.commit()
        if not is_committed:
            return self._fail(self._offsets.trouble)
        self._is_troubled = False
        return True

    @property
    def is_lost(self) -> bool:
        return bool(self._lost)

    def take_lost(self) -> dict[Partition, int]:
        lost, self._lost = self._lost, {}
        return lost

    def _settle(self) -> bool:
        """Return whether Kafka keeps what was sent last."""
        first, self._first = self._first, {}
        places, self._next = self._next, {}
        try:
            self._delivery.settle()
        except DeliveryError as e:
            self._lost.update(first)
            return self._fail(str(e))
        self._offsets.add(places)
        return True

    def _fail(self, trouble: str) -> bool:
        self._is_troubled = True
        self.trouble = trouble
        return False
