"""Who calls, and how secrets are made."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Self

from api.exceptions import TokenInvalidError
from api.services.workload_names import AttemptReference
from api.storage.tokens import TokenStore
from api.tables.token_row import TokenRow
from kafkaml.schemas.tokens import Scope

PREFIX = "kml_"
_SHOWN_CHARACTERS = 8
_MAX_SECRET_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Secret:
    """A token's secret: shown once, kept as a digest. 256 random bits need no salt."""

    text: str

    @classmethod
    def make(cls) -> Self:
        """Return a new secret."""
        return cls(PREFIX + secrets.token_urlsafe(32))

    @property
    def sha256(self) -> bytes:
        """The digest that is stored."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def prefix(self) -> str:
        """The first characters, too few to guess the rest."""
        return self.text[:_SHOWN_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Caller:
    """The bearer of a token; `attempt` is set for the token of an attempt."""

    token_id: int
    scope: Scope
    attempt: AttemptReference | None = None

    @classmethod
    def from_token(cls, token: TokenRow) -> Self:
        """Return the bearer of a stored token."""
        attempt = None
        if token.workload_kind and token.workload_id and token.attempt:
            attempt = AttemptReference(
                token.workload_kind, token.workload_id, token.attempt
            )
        return cls(token.id, token.scope, attempt)


class AuthenticationService:
    """Finds out who calls."""

    def __init__(self, *, tokens: TokenStore) -> None:
        self._tokens = tokens

    async def authenticate(self, secret: str) -> Caller:
        """Return the bearer of a secret; raise TokenInvalidError."""
        if len(secret) > _MAX_SECRET_CHARACTERS:
            raise TokenInvalidError
        token = await self._tokens.by_digest(Secret(secret).sha256)
        if token is None:
            raise TokenInvalidError
        await self._tokens.note_use(token)
        return Caller.from_token(token)
