"""What the loop needs to keep a guarantee, whichever of the two it is."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from confluent_kafka import TopicPartition

from inferencer.record import Record, Reply

Partition = tuple[str, int]


class ReplyGuarantee(Protocol):
    """Brings replies to Kafka, and tells it the offsets that are answered."""

    trouble: str
    """Why the last batch or commit came to nothing."""

    def prepare(self) -> None:
        """Do what takes long before there are replies, if it can be done now."""

    def send(self, records: Sequence[Record], replies: Sequence[Reply]) -> None:
        """Hand over the replies to `records`, which ascend within their partitions.

        They may still be on their way afterwards. Raise DeliveryError without having taken
        them, be it for what was sent before: then `is_lost` or `is_due`.
        """

    @property
    def pending(self) -> bool:
        """Whether something is to be committed, now or later."""

    @property
    def is_due(self) -> bool:
        """Whether to commit before more records are taken."""

    def begin_at(self, partitions: Iterable[TopicPartition]) -> None:
        """Note where partitions begin that the group never read.

        Until that is committed, a restart would begin at another "latest" and skip records.
        """

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Leave partitions to whoever has them now."""

    def commit(self) -> bool:
        """Commit all that was sent; return whether nothing is left to be committed."""

    @property
    def is_lost(self) -> bool:
        """Whether answers came to nothing, so that their records are to be read again."""

    def take_lost(self) -> dict[Partition, int]:
        """Return, once, where to read again; raise DeliveryError while that is unknown."""


def first_offsets(records: Sequence[Record]) -> dict[Partition, int]:
    """Return the first offset of each partition that `records`, of one topic, have."""
    return _offsets(records[::-1])


def next_offsets(records: Sequence[Record]) -> dict[Partition, int]:
    """Return the offset after the last of each partition that `records` have."""
    return {each: offset + 1 for each, offset in _offsets(records).items()}


def _offsets(records: Sequence[Record]) -> dict[Partition, int]:
    """Return the offset of each partition's last record, asking few records for theirs."""
    partitions = [record.partition() for record in records]
    last = dict(zip(partitions, records, strict=True))
    return {
        (record.topic(), partition): record.offset() for partition, record in last.items()
    }
