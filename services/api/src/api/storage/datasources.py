"""Datasources in the database."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.exceptions import NotFoundError
from api.paging import PageRequest, Rows
from api.storage.pages import fetch_page
from api.tables.datasource_row import DatasourceRow
from kafkaml.schemas.states import DatasourceState


class DatasourceStore:
    """Reads and writes datasources."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add(self, **values: object) -> DatasourceRow | None:
        """Add a record; return None if the one at its place is known already."""
        statement = (
            insert(DatasourceRow)
            .values(**values)
            .on_conflict_do_nothing(index_elements=["topic", "partition", "offset"])
            .returning(DatasourceRow)
        )
        return await self._session.scalar(statement)

    async def at(self, *, topic: str, partition: int, offset: int) -> DatasourceRow:
        """Return the record at a place that is known."""
        statement = select(DatasourceRow).where(
            DatasourceRow.topic == topic,
            DatasourceRow.partition == partition,
            DatasourceRow.offset == offset,
        )
        return (await self._session.scalars(statement)).one()

    async def get(self, datasource_id: int) -> DatasourceRow:
        """Return a datasource; raise NotFoundError."""
        datasource = await self._session.get(DatasourceRow, datasource_id)
        if datasource is None:
            raise NotFoundError.of("datasource", datasource_id)
        return datasource

    async def page(
        self,
        page: PageRequest,
        *,
        deployment_id: int | None = None,
        state: DatasourceState | None = None,
    ) -> Rows[DatasourceRow]:
        """Return datasources, if asked only those of a deployment or in a state."""
        statement = select(DatasourceRow)
        if deployment_id is not None:
            statement = statement.where(DatasourceRow.deployment_id == deployment_id)
        if state is not None:
            statement = statement.where(DatasourceRow.state == state)
        return await fetch_page(self._session, statement, key=DatasourceRow.id, page=page)
