"""Which dead letters were sent again."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.tables.sent_letter_row import SentLetterRow

# Partition, offset and timestamp (milliseconds since 1970) of a record of an input topic.
RecordKey = tuple[int, int, int]


class SentLetterStore:
    """Remembers which records of input topics were sent there again."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, keys: Collection[RecordKey], *, topic: str, inference_id: int
    ) -> set[RecordKey]:
        """Note records of a topic; return those that were not noted before."""
        if not keys:
            return set()
        rows = [
            {
                "topic": topic,
                "partition": partition,
                "offset": offset,
                "timestamp_ms": timestamp_ms,
                "inference_id": inference_id,
            }
            for partition, offset, timestamp_ms in sorted(keys)  # no deadlock of two
        ]
        statement = (
            insert(SentLetterRow)
            .values(rows)
            .on_conflict_do_nothing()
            .returning(
                SentLetterRow.partition, SentLetterRow.offset, SentLetterRow.timestamp_ms
            )
        )
        return {(row[0], row[1], row[2]) for row in await self._session.execute(statement)}

    async def times(
        self, keys: Collection[RecordKey], *, topic: str
    ) -> dict[RecordKey, datetime]:
        """Return when records were sent, of those that were."""
        if not keys:
            return {}
        key = (SentLetterRow.partition, SentLetterRow.offset, SentLetterRow.timestamp_ms)
        statement = select(*key, SentLetterRow.created_at).where(
            SentLetterRow.topic == topic, tuple_(*key).in_(list(keys))
        )
        return {
            (row[0], row[1], row[2]): row[3]
            for row in await self._session.execute(statement)
        }
