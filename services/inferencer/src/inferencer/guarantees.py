"""What the loop needs to keep a guarantee, whichever of the two it is."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from confluent_kafka import TopicPartition

from inferencer.record import Record, Reply

Partition = tuple[str, int]


class ReplyDelivery(Protocol):
    """Brings replies to Kafka."""

    def prepare(self) -> None:
        """Do what takes long before there are replies, if it can be done now."""

    def deliver(self, replies: Sequence[Reply]) -> None:
        """Hand over the replies of a batch; raise DeliveryError to have it done again."""


class Offsets(Protocol):
    """Which offsets are answered, and which of them Kafka knows of."""

    trouble: str
    """Why the last commit failed."""

    @property
    def pending(self) -> bool:
        """Whether something is to be committed, now or later."""

    @property
    def is_due(self) -> bool:
        """Whether to commit before more records are taken."""

    def add(self, records: Sequence[Record]) -> None:
        """Note that the replies to `records`, ascending by partition, were delivered."""

    def begin_at(self, partitions: Iterable[TopicPartition]) -> None:
        """Note where partitions begin that the group never read.

        Until that is committed, a restart would begin at another "latest" and skip records.
        """

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Leave partitions to whoever has them now."""

    def commit(self) -> bool:
        """Commit what is answered; return whether nothing is left to be committed."""

    @property
    def is_lost(self) -> bool:
        """Whether answers came to nothing, so that their records are to be read again."""

    def take_lost(self) -> dict[Partition, int]:
        """Return, once, where to read again; raise DeliveryError while that is unknown."""
