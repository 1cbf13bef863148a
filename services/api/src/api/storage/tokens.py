"""Tokens in the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.exceptions import NotFoundError
from api.paging import PageRequest, Rows
from api.storage.pages import fetch_page
from api.tables.base import utc_now
from api.tables.token_row import TokenOrigin, TokenRow
from kafkaml.schemas.tokens import Scope
from kafkaml.schemas.workloads import WorkloadKind

USE_IS_NOTED_EVERY = timedelta(minutes=1)

_FIRST_TOKENS_LOCK = 0x6B616663


class TokenStore:
    """Reads and writes tokens. It sees digests only, never a secret."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add(self, token: TokenRow) -> TokenRow:
        """Add a token and return it with what the database filled in."""
        self._session.add(token)
        await self._session.flush()
        return token

    async def by_digest(self, sha256: bytes) -> TokenRow | None:
        """Return the token whose secret has this digest, if it has not expired."""
        statement = select(TokenRow).where(
            TokenRow.sha256 == sha256,
            or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > utc_now()),
        )
        return await self._session.scalar(statement)

    async def note_use(self, token: TokenRow) -> None:
        """Write when the token was used, at most once a minute."""
        now = utc_now()
        if token.last_used_at and now - token.last_used_at < USE_IS_NOTED_EVERY:
            return
        await self._session.execute(
            update(TokenRow)
            .where(TokenRow.id == token.id)
            .values(last_used_at=func.greatest(TokenRow.last_used_at, now))
            .execution_options(synchronize_session=False)
        )

    async def get(self, token_id: int) -> TokenRow:
        """Return a token; raise NotFoundError."""
        token = await self._session.get(TokenRow, token_id)
        if token is None:
            raise NotFoundError.of("token", token_id)
        return token

    async def page(self, page: PageRequest) -> Rows[TokenRow]:
        """Return the tokens of people and services; those of attempts are left out."""
        statement = select(TokenRow).where(TokenRow.origin != TokenOrigin.ATTEMPT)
        return await fetch_page(self._session, statement, key=TokenRow.id, page=page)

    async def delete(self, token: TokenRow) -> None:
        """Delete a token."""
        await self._session.execute(delete(TokenRow).where(TokenRow.id == token.id))

    async def delete_of_workloads(self, kind: WorkloadKind, ids: Sequence[int]) -> None:
        """Delete the tokens of every attempt of these workloads."""
        await self._session.execute(
            delete(TokenRow).where(
                TokenRow.workload_kind == kind, TokenRow.workload_id.in_(ids)
            )
        )

    async def lock_first(self) -> None:
        """Let no other process prepare the first tokens until the transaction ends."""
        await self._session.execute(select(func.pg_advisory_xact_lock(_FIRST_TOKENS_LOCK)))

    async def put_from_settings(self, scope: Scope, *, prefix: str, sha256: bytes) -> None:
        """Make this the token that the settings give to a scope."""
        values = {"prefix": prefix, "sha256": sha256}
        statement = insert(TokenRow).values(
            origin=TokenOrigin.SETTINGS,
            name=f"{scope} of the settings",
            scope=scope,
            **values,
        )
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["scope"],
                index_where=text("origin = 'settings'"),
                set_=values,
            )
        )

    async def delete_from_settings(self, scope: Scope) -> None:
        """Delete the token that the settings gave to a scope before."""
        await self._session.execute(
            delete(TokenRow).where(
                TokenRow.origin == TokenOrigin.SETTINGS, TokenRow.scope == scope
            )
        )

    async def has_admin(self, *, after: datetime) -> bool:
        """Say whether an admin token is valid after a time."""
        statement = (
            select(TokenRow.id)
            .where(
                TokenRow.scope == Scope.ADMIN,
                or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > after),
            )
            .limit(1)
        )
        return await self._session.scalar(statement) is not None
