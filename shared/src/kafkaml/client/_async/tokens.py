"""Tokens: who may do what."""

from collections.abc import AsyncIterator
from datetime import datetime

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._calls import build, place
from kafkaml.schemas.base import Page
from kafkaml.schemas.tokens import NewToken, Scope, Token, TokenCreate


class AsyncTokens:
    """Tokens of people and services (scope admin, except `current`)."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self, *, name: str, scope: Scope, expires_at: datetime | None = None
    ) -> NewToken:
        """Make a token. Its secret is in the answer and nowhere else.

        `expires_at` needs a time zone.
        """
        body = build(TokenCreate, name=name, scope=scope, expires_at=expires_at)
        return await self._session.create(place("tokens"), body, NewToken)

    def list(self, *, limit: int | None = None) -> AsyncIterator[Token]:
        """Iterate over all tokens, newest first; `limit` is the size of a page."""
        return self._session.pages(place("tokens"), Page[Token], {"limit": limit})

    async def delete(self, token_id: int) -> None:
        """Revoke a token at once."""
        await self._session.delete(place("tokens", token_id))

    async def current(self) -> Token:
        """Return the token that this client uses."""
        return await self._session.get(place("tokens", "current"), Token)
