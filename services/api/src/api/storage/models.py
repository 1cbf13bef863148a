"""Models and their versions in the database."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload

from api.exceptions import NameTakenError, NotFoundError
from api.paging import PageRequest, Rows
from api.storage.changes import change_row
from api.storage.database import is_unique_violation
from api.storage.pages import fetch_page
from api.tables.model_row import ModelRow
from api.tables.model_version_row import VERSION_IS_CHECKING, ModelVersionRow
from kafkaml.schemas.states import ModelVersionState

_NOUN = "model"


class ModelStore:
    """Reads and writes models."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add(self, *, name: str, description: str, source: str) -> ModelRow:
        """Add a model with its first version; raise NameTakenError."""
        model = ModelRow(name=name, description=description, version_number=1)
        self._session.add(model)
        await self._flush_name(name)
        await self._add_version(model, source)
        return await self.get(model.id)

    async def get(self, model_id: int) -> ModelRow:
        """Return a model with its newest version; raise NotFoundError."""
        statement = (
            select(ModelRow)
            .where(ModelRow.id == model_id)
            .options(joinedload(ModelRow.version, innerjoin=True))
            .execution_options(populate_existing=True)
        )
        return _found(await self._session.scalar(statement), model_id)

    async def lock(self, model_id: int) -> ModelRow:
        """Return a model for a change, without its version; raise NotFoundError."""
        statement = select(ModelRow).where(ModelRow.id == model_id).with_for_update()
        return _found(await self._session.scalar(statement), model_id)

    async def page(self, page: PageRequest) -> Rows[ModelRow]:
        """Return models with their newest versions."""
        statement = select(ModelRow).options(joinedload(ModelRow.version, innerjoin=True))
        return await fetch_page(self._session, statement, key=ModelRow.id, page=page)

    async def update(
        self, model: ModelRow, *, name: str | None, description: str | None
    ) -> None:
        """Change what is given; raise NameTakenError."""
        if name is not None:
            model.name = name
        if description is not None:
            model.description = description
        await self._flush_name(model.name)

    async def delete(self, model: ModelRow) -> None:
        """Delete a model with its versions, which nothing uses."""
        await self._session.execute(delete(ModelRow).where(ModelRow.id == model.id))

    async def add_version(self, model: ModelRow, source: str) -> ModelVersionRow:
        """Add a version to a locked model."""
        model.version_number += 1
        return await self._add_version(model, source)

    async def version(self, model_id: int, number: int) -> ModelVersionRow | None:
        """Return one version of a model."""
        statement = select(ModelVersionRow).where(
            ModelVersionRow.model_id == model_id, ModelVersionRow.number == number
        )
        return await self._session.scalar(statement)

    async def versions(self, model_id: int, page: PageRequest) -> Rows[ModelVersionRow]:
        """Return the versions of a model."""
        statement = select(ModelVersionRow).where(ModelVersionRow.model_id == model_id)
        return await fetch_page(self._session, statement, key=ModelVersionRow.id, page=page)

    async def version_ids(self, model_id: int) -> Sequence[int]:
        """Return the ids of the versions of a model."""
        statement = select(ModelVersionRow.id).where(ModelVersionRow.model_id == model_id)
        return (await self._session.scalars(statement)).all()

    async def lock_version(self, version_id: int) -> ModelVersionRow | None:
        """Return a version for a change."""
        statement = (
            select(ModelVersionRow)
            .where(ModelVersionRow.id == version_id)
            .with_for_update()
        )
        return await self._session.scalar(statement)

    async def checking(self) -> Sequence[ModelVersionRow]:
        """Return the versions whose check is not over."""
        statement = (
            select(ModelVersionRow).where(VERSION_IS_CHECKING).order_by(ModelVersionRow.id)
        )
        return (await self._session.scalars(statement)).all()

    async def newest_versions(self, model_ids: Sequence[int]) -> dict[int, ModelVersionRow]:
        """Return the newest version of each model, and keep them as they are until the end.

        The lock makes a check that ends meanwhile wait: it then sees who uses the version.
        """
        statement = (
            select(ModelVersionRow)
            .join(ModelVersionRow.model)
            .where(
                ModelRow.id.in_(model_ids),
                ModelRow.version_number == ModelVersionRow.number,
            )
            .order_by(ModelVersionRow.id)
            .options(contains_eager(ModelVersionRow.model))
            .with_for_update(of=ModelVersionRow, read=True)
        )
        rows = (await self._session.scalars(statement)).all()
        return {row.model_id: row for row in rows}

    async def existing(self, model_ids: Sequence[int]) -> set[int]:
        """Return those of the ids that name a model."""
        statement = select(ModelRow.id).where(ModelRow.id.in_(model_ids))
        return set((await self._session.scalars(statement)).all())

    async def change_version(self, version: ModelVersionRow, **values: object) -> None:
        """Change a locked version, naming the state and attempt it had."""
        await change_row(self._session, version, **values)

    async def _add_version(self, model: ModelRow, source: str) -> ModelVersionRow:
        version = ModelVersionRow(
            model_id=model.id,
            number=model.version_number,
            state=ModelVersionState.CHECKING,
            source=source,
        )
        self._session.add(version)
        await self._session.flush()
        return version

    async def _flush_name(self, name: str) -> None:
        try:
            await self._session.flush()
        except IntegrityError as e:
            if is_unique_violation(e):
                raise NameTakenError(_NOUN, name) from e
            raise


def _found(model: ModelRow | None, model_id: int) -> ModelRow:
    if model is None:
        raise NotFoundError.of(_NOUN, model_id)
    return model
