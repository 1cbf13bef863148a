"""The reading side of the outbox: what the relay publishes, in the order of the ids."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, any_, delete, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api.tables.outbox_record import OutboxRecord

RELAY_LOCK = 0x6B61666B612D6D6C  # any number that nothing else locks: "kafka-ml"
LETTERS_LOCK = RELAY_LOCK + 1


@dataclass(frozen=True, slots=True)
class PendingRecord:
    """A record that Kafka has not acknowledged yet."""

    id: int
    topic: str
    is_letter: bool
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | None]]
    partition: int | None
    own_timestamp_ms: int | None
    created_at: datetime

    @property
    def timestamp_ms(self) -> int:
        """Its own time, or when its change was made, by the clock of the database.

        In milliseconds since 1970.
        """
        if self.own_timestamp_ms is not None:
            return self.own_timestamp_ms
        return int(self.created_at.timestamp() * 1000)

    @property
    def kafka_headers(self) -> list[tuple[str, bytes | None]]:
        """The headers as Kafka takes them."""
        return [(name, self._bytes_of(content)) for name, content in self.headers]

    def _bytes_of(self, content: str | None) -> bytes | None:
        if content is None:
            return None
        return base64.b64decode(content) if self.is_letter else content.encode()


class Outbox:
    """The outbox as seen by one relay; its connection commits after each statement.

    It holds either what the platform tells or, if so asked, the letters: those wait for
    topics of users, and nothing else should.
    """

    def __init__(self, connection: AsyncConnection, *, letters: bool = False) -> None:
        self._connection = connection
        self.holds_letters = letters

    async def try_lock(self) -> bool:
        """Return whether this connection is now the relay's; it is so until it closes."""
        number = LETTERS_LOCK if self.holds_letters else RELAY_LOCK
        locked = await self._connection.scalar(select(func.pg_try_advisory_lock(number)))
        return bool(locked)

    async def oldest(self, *, limit: int, max_bytes: int) -> list[PendingRecord]:
        """Return the first records, in order: at least one if there is any.

        `max_bytes` bounds the sum of their values.
        """
        size = func.coalesce(func.octet_length(OutboxRecord.value), 0)
        first = (
            select(
                OutboxRecord.id,
                OutboxRecord.topic,
                OutboxRecord.is_letter,
                OutboxRecord.key,
                OutboxRecord.value,
                OutboxRecord.headers,
                OutboxRecord.partition,
                OutboxRecord.timestamp_ms,
                OutboxRecord.created_at,
                size.label("size"),
                func.sum(size).over(order_by=OutboxRecord.id).label("total"),
            )
            .where(
                OutboxRecord.parked_at.is_(None),
                OutboxRecord.is_letter.is_(self.holds_letters),
            )
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
