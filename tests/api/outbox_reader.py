"""What the relay would publish."""

from dataclasses import dataclass

import asyncpg
import orjson


@dataclass(frozen=True)
class OutboxReader:
    """Reads the outbox of a database, in order."""

    url: str

    async def events(self) -> list[str]:
        """Return `type subject` of each event."""
        rows = await self._rows("SELECT headers FROM outbox ORDER BY id")
        headers = [dict(orjson.loads(row["headers"])) for row in rows]
        return [f"{each['ce_type']} {each['ce_subject']}" for each in headers if each]

    async def control_messages(self) -> list[tuple[bytes, dict[str, object]]]:
        """Return key and fields of each control message."""
        rows = await self._rows(
            "SELECT key, value FROM outbox"
            " WHERE topic = 'KAFKA_ML_CONTROL_TOPIC' ORDER BY id"
        )
        return [(row["key"], orjson.loads(row["value"])) for row in rows]

    async def values(self) -> list[bytes]:
        """Return the value of each record."""
        return [
            row["value"] for row in await self._rows("SELECT value FROM outbox ORDER BY id")
        ]

    async def versions(self, table: str) -> list[str]:
        """Return a mark of each row of a table that changes with every write to it."""
        rows = await self._rows(f"SELECT id, xmin::text FROM {table} ORDER BY id")
        return [f"{row['id']} {row['xmin']}" for row in rows]

    async def _rows(self, query: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()
