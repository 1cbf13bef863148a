"""The tokens that must be there before anyone can make one."""

from collections.abc import Mapping

from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError

from api.exceptions import StartupError
from api.services.authentication import Secret
from api.storage.unit_of_work import UnitOfWork, UnitsOfWork
from api.tables.base import utc_now
from api.tables.token_row import TokenOrigin, TokenRow
from kafkaml.schemas.tokens import Scope


class FirstTokens:
    """Makes the tokens of the settings valid, and an admin token where there is none."""

    def __init__(
        self, *, units: UnitsOfWork, secrets: Mapping[Scope, SecretStr | None]
    ) -> None:
        self._units = units
        self._secrets = secrets

    async def prepare(self) -> str | None:
        """Return the secret of a new admin token if one had to be made.

        Processes that start together do so one after the other.
        """
        async with self._units.begin() as work:
            await work.tokens.lock_first()
            for scope, secret in self._secrets.items():
                await self._settle(work, scope, secret)
            if await work.tokens.has_admin(after=utc_now()):
                return None
            return await self._make_admin(work)

    async def _settle(
        self, work: UnitOfWork, scope: Scope, secret: SecretStr | None
    ) -> None:
        if secret is None:
            await work.tokens.delete_from_settings(scope)
            return
        token = Secret(secret.get_secret_value())
        try:
            await work.tokens.put_from_settings(
                scope, prefix=token.prefix, sha256=token.sha256
            )
        except IntegrityError as e:
            raise StartupError(
                f"The token that the settings give to {scope} belongs to another one "
                "already: each needs a secret of its own."
            ) from e

    @staticmethod
    async def _make_admin(work: UnitOfWork) -> str:
        secret = Secret.make()
        await work.tokens.add(
            TokenRow(
                origin=TokenOrigin.PERSONAL,
                name="first start",
                scope=Scope.ADMIN,
                prefix=secret.prefix,
                sha256=secret.sha256,
            )
        )
        return secret.text
