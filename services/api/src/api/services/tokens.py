"""What can be done with tokens."""

from datetime import UTC, datetime

from api.exceptions import NotFoundError, ValidationFailedError
from api.paging import PageRequest
from api.services.authentication import Secret
from api.storage.unit_of_work import UnitOfWork
from api.tables.base import utc_now
from api.tables.token_row import TokenOrigin, TokenRow
from kafkaml.schemas.base import Page
from kafkaml.schemas.tokens import NewToken, Scope, Token, TokenCreate


class TokenService:
    """Decides about the tokens of people and services."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def create(self, wanted: TokenCreate) -> NewToken:
        """Make a token; its secret is in the answer and nowhere else."""
        if wanted.scope is Scope.ATTEMPT:
            raise ValidationFailedError.at(
                "body.scope", "tokens of attempts are made with their workloads"
            )
        if wanted.expires_at is not None:
            _check_expiry(wanted.expires_at)
        secret = Secret.make()
        token = await self._work.tokens.add(
            TokenRow(
                origin=TokenOrigin.PERSONAL,
                name=wanted.name,
                scope=wanted.scope,
                prefix=secret.prefix,
                sha256=secret.sha256,
                expires_at=wanted.expires_at,
            )
        )
        return NewToken(**token.to_resource().model_dump(), secret=secret.text)

    async def get(self, token_id: int) -> Token:
        return (await self._work.tokens.get(token_id)).to_resource()

    async def page(self, page: PageRequest) -> Page[Token]:
        rows = await self._work.tokens.page(page)
        return Page(
            items=[row.to_resource() for row in rows.items], next_cursor=rows.next_cursor
        )

    async def delete(self, token_id: int) -> None:
        """Delete a token; from then on it is not valid."""
        token = await self._work.tokens.get(token_id)
        if token.origin is TokenOrigin.ATTEMPT:
            raise NotFoundError.of("token", token_id)
        await self._work.tokens.delete(token)


def _check_expiry(expires_at: datetime) -> None:
    location = "body.expires_at"
    try:
        in_utc = expires_at.astimezone(UTC)
    except OverflowError as e:
        raise ValidationFailedError.at(location, "choose a time before 9999") from e
    if in_utc <= utc_now():
        raise ValidationFailedError.at(location, "choose a time to come")
