"""At least once: offsets are committed when Kafka keeps the replies to their records."""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from inferencer.delivery import Delivery, Shipment
from inferencer.exceptions import DeliveryError
from inferencer.guarantees import Partition, first_offsets, next_offsets
from inferencer.metrics import Metrics
from inferencer.offsets import AnsweredOffsets
from inferencer.record import Record, Reply

# Under load offsets are committed when there is no room for more, but not later than this.
# A commit takes a turn to the broker, as long as some hundred records.
COMMIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that was answered, but of which Kafka may not keep every reply yet."""

    shipment: Shipment
    first: dict[Partition, int]
    next: dict[Partition, int]

    @property
    def records(self) -> int:
        return len(self.shipment.replies)


class AtLeastOnce:
    """Sends batches, which Kafka takes in while the next ones are predicted.

    No more than `most_records` are sent and not known to be committed: so many may be
    answered again after the replica died.
    """

    def __init__(
        self,
        *,
        delivery: Delivery,
        offsets: AnsweredOffsets,
        metrics: Metrics,
        most_records: int,
    ) -> None:
        self._delivery = delivery
        self._offsets = offsets
        self._metrics = metrics
        self._most_records = most_records
        self._batches: deque[Batch] = deque()
        self._sent_records = 0
        self._committed_at = 0.0
        self._lost: dict[Partition, int] = {}
        self._is_troubled = False
        self.trouble = ""

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def send(self, records: Sequence[Record], replies: Sequence[Reply]) -> None:
        self._make_room(len(records))
        shipment = self._delivery.send(replies)
        self._batches.append(Batch(shipment, first_offsets(records), next_offsets(records)))
        self._sent_records += len(replies)

    @property
    def pending(self) -> bool:
        return bool(self._batches) or self._offsets.pending

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
        known = [self._lost]
        for batch in self._batches:
            known += [batch.first, batch.next]
        for places in known:
            for each in gone:
                places.pop(each, None)

    def commit(self) -> bool:
        if not self.pending:
            return True
        try:
            self._settle_all()
            self._commit_settled()
        except DeliveryError as e:
            return self._fail(str(e))
        self._is_troubled = False
        return True

    @property
    def is_lost(self) -> bool:
        return bool(self._lost)

    def take_lost(self) -> dict[Partition, int]:
        lost, self._lost = self._lost, {}
        return lost

    def _make_room(self, records: int) -> None:
        """Return when so many records more may be sent; raise DeliveryError if never."""
        try:
            self._look()
            while self._uncommitted and self._uncommitted + records > self._most_records:
                if not self._offsets.records:
                    self._settle_oldest()
                self._commit_settled()
        except DeliveryError as e:
            self._fail(str(e))
            raise

    @property
    def _uncommitted(self) -> int:
        return self._sent_records + self._offsets.records

    def _look(self) -> None:
        """Take in what happened meanwhile, and commit it if that is long ago."""
        self._delivery.look()
        while self._batches and self._batches[0].shipment.is_reported:
            self._settle_oldest()
        is_time = time.monotonic() - self._committed_at > COMMIT_SECONDS
        if is_time and self._offsets.records:
            self._commit_settled()

    def _settle_all(self) -> None:
        if self._batches:
            self._delivery.hurry()
        while self._batches:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        """Return once Kafka keeps the oldest batch, else raise and lose all of them."""
        batch = self._batches[0]
        try:
            self._delivery.settle(batch.shipment)
        except DeliveryError:
            for each in reversed(self._batches):
                self._lost.update(each.first)
            self._batches.clear()
            self._sent_records = 0
            raise
        self._batches.popleft()
        self._sent_records -= batch.records
        self._offsets.add(batch.next, records=batch.records)

    def _commit_settled(self) -> None:
        with self._metrics.stage("commit"):
            is_committed = self._offsets.commit()
        self._committed_at = time.monotonic()
        if not is_committed:
            raise DeliveryError(self._offsets.trouble)

    def _fail(self, trouble: str) -> bool:
        self._is_troubled = True
        self.trouble = trouble
        return False
