"""Idempotency keys in the database."""

from datetime import timedelta

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.tables.base import utc_now
from api.tables.idempotency_key_row import IdempotencyKeyRow

KEYS_ARE_KEPT_FOR = timedelta(days=1)


class IdempotencyKeyStore:
    """Reads and writes the answers that belong to keys."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def claim(self, *, token_id: int, key: str, request_sha256: bytes) -> bool:
        """Take a key; return False if it is taken.

        A request under way with the same key is waited for: its transaction decides.
        """
        statement = (
            insert(IdempotencyKeyRow)
            .values(token_id=token_id, key=key, request_sha256=request_sha256)
            .on_conflict_do_nothing()
            .returning(IdempotencyKeyRow.key)
        )
        return await self._session.scalar(statement) is not None

    async def get(self, *, token_id: int, key: str) -> IdempotencyKeyRow:
        """Return a key that is taken."""
        statement = select(IdempotencyKeyRow).where(
            IdempotencyKeyRow.token_id == token_id, IdempotencyKeyRow.key == key
        )
        return (await self._session.scalars(statement)).one()

    async def answer(
        self, *, token_id: int, key: str, status: int | None, answer: bytes
    ) -> None:
        """Keep the answer of a claimed key."""
        await self._session.execute(
            update(IdempotencyKeyRow)
            .where(IdempotencyKeyRow.token_id == token_id, IdempotencyKeyRow.key == key)
            .values(status=status, answer=answer)
            .execution_options(synchronize_session=False)
        )

    async def delete_old(self) -> None:
        """Forget some keys that no caller will repeat, unless others are at it."""
        old = (
            select(IdempotencyKeyRow.token_id, IdempotencyKeyRow.key)
            .where(IdempotencyKeyRow.created_at < utc_now() - KEYS_ARE_KEPT_FOR)
            .limit(100)
            .with_for_update(skip_locked=True)
        )
        row = tuple_(IdempotencyKeyRow.token_id, IdempotencyKeyRow.key)
        await self._session.execute(
            delete(IdempotencyKeyRow)
            .where(row.in_(old))
            .execution_options(synchronize_session=False)
        )
