"""Configurations in the database."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from api.exceptions import NameTakenError, NotFoundError
from api.paging import PageRequest, Rows
from api.storage.database import is_unique_violation
from api.storage.pages import fetch_page
from api.tables.configuration_model_row import ConfigurationModelRow
from api.tables.configuration_row import ConfigurationRow

_NOUN = "configuration"


class ConfigurationStore:
    """Reads and writes configurations."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, *, name: str, description: str, model_ids: Sequence[int]
    ) -> ConfigurationRow:
        """Add a configuration; raise NameTakenError."""
        configuration = ConfigurationRow(
            name=name, description=description, members=_members(model_ids)
        )
        self._session.add(configuration)
        await self._flush_name(name)
        return configuration

    async def get(self, configuration_id: int, *, lock: bool = False) -> ConfigurationRow:
        """Return a configuration with its members; raise NotFoundError."""
        statement = (
            select(ConfigurationRow)
            .where(ConfigurationRow.id == configuration_id)
            .options(selectinload(ConfigurationRow.members))
        )
        if lock:
            statement = statement.with_for_update()
        configuration = await self._session.scalar(statement)
        if configuration is None:
            raise NotFoundError.of(_NOUN, configuration_id)
        return configuration

    async def page(self, page: PageRequest) -> Rows[ConfigurationRow]:
        """Return configurations with their members."""
        statement = select(ConfigurationRow).options(selectinload(ConfigurationRow.members))
        return await fetch_page(
            self._session, statement, key=ConfigurationRow.id, page=page
        )

    async def update(
        self, configuration: ConfigurationRow, *, name: str | None, description: str | None
    ) -> None:
        """Change what is given; raise NameTakenError."""
        if name is not None:
            configuration.name = name
        if description is not None:
            configuration.description = description
        await self._flush_name(configuration.name)

    async def set_models(
        self, configuration: ConfigurationRow, model_ids: Sequence[int]
    ) -> None:
        """Make these the models of a configuration, in this order."""
        configuration.members.clear()
        await self._session.flush()
        configuration.members.extend(_members(model_ids))
        await self._session.flush()

    async def delete(self, configuration: ConfigurationRow) -> None:
        """Delete a configuration that no deployment uses."""
        await self._session.execute(
            delete(ConfigurationRow).where(ConfigurationRow.id == configuration.id)
        )

    async def user_of_model(self, model_id: int) -> int | None:
        """Return the id of a configuration that has the model."""
        statement = (
            select(ConfigurationModelRow.configuration_id)
            .where(ConfigurationModelRow.model_id == model_id)
            .order_by(ConfigurationModelRow.configuration_id)
            .limit(1)
        )
        return await self._session.scalar(statement)

    async def _flush_name(self, name: str) -> None:
        try:
            await self._session.flush()
        except IntegrityError as e:
            if is_unique_violation(e):
                raise NameTakenError(_NOUN, name) from e
            raise


def _members(model_ids: Sequence[int]) -> list[ConfigurationModelRow]:
    return [
        ConfigurationModelRow(position=position, model_id=model_id)
        for position, model_id in enumerate(model_ids)
    ]
