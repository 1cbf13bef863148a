"""The reading side of the outbox: what the relay publishes, in the order of the ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, any_, delete, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.tables.outbox_record import OutboxRecord

RELAY_LOCK = 0x6B61666B612D6D6C  # any number that nothing else locks: "kafka-ml"


@dataclass(frozen=True, slots=True)
class PendingRecord:
    """A record that Kafka has not acknowledged yet."""

    id: int
    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, str]]
    created_at: datetime

    @property
    def timestamp_ms(self) -> int:
        """When its change was made, in milliseconds since 1970, by the database's clock."""
        return int(self.created_at.timestamp() * 1000)


class Outbox:
    """The outbox as seen by one relay; its connection commits after each statement."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def try_lock(self) -> bool:
        """Return whether this connection is now the relay's; it is so until it closes."""
        locked = await self._connection.scalar(
            select(func.pg_try_advisory_lock(RELAY_LOCK))
        )
        return bool(locked)

    async def oldest(self, *, limit: int, max_bytes: int) -> list[PendingRecord]:
        """Return the first records, in order: at least one if there is any.

        `max_bytes` bounds the sum of their values.
        """
        size = func.octet_length(OutboxRecord.value)
        first = (
            select(
                OutboxRecord.id,
                OutboxRecord.topic,
                OutboxRecord.key,
                OutboxRecord.value,
                OutboxRecord.headers,
                OutboxRecord.created_at,
                size.label("size"),
                func.sum(size).over(order_by=OutboxRecord.id).label("total"),
            )
            .where(OutboxRecord.parked_at.is_(None))
            .order_by(OutboxRecord.id)
            .limit(limit)
            .subquery()
        )
        fields = [each for each in first.c if each.name not in {"size", "total"}]
        fitting = (
            select(*fields)
            .where(or_(first.c.total <= max_bytes, first.c.total == first.c.size))
            .order_by(first.c.id)
        )
        rows = await self._connection.execute(fitting)
        return [PendingRecord(*row) for row in rows]

    async def delete(self, ids: Sequence[int]) -> None:
        """Remove records that Kafka has acknowledged."""
        await self._connection.execute(
            delete(OutboxRecord).where(
                OutboxRecord.id == any_(literal(list(ids), ARRAY(BigInteger)))
            )
        )

    async def park(self, record_id: int, *, reason: str) -> None:
        """Leave out a record from now on, and keep it for a person to look at."""
        await self._connection.execute(
            update(OutboxRecord)
            .where(OutboxRecord.id == record_id)
            .values(parked_at=func.clock_timestamp(), parked_reason=reason)
        )
