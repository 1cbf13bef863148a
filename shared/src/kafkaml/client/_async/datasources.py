"""Datasources: recorded streams that can be sent again."""

from collections.abc import AsyncIterator

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._calls import build, place
from kafkaml.schemas.base import Page
from kafkaml.schemas.datasources import Datasource, DatasourceRecord, DatasourceSend
from kafkaml.schemas.states import DatasourceState


class AsyncDatasources:
    """Control messages as they were recorded."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, datasource_id: int) -> Datasource:
        """Return a datasource."""
        return await self._session.get(place("datasources", datasource_id), Datasource)

    def list(
        self,
        *,
        deployment_id: int | None = None,
        state: DatasourceState | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Datasource]:
        """Iterate over datasources, newest first; `limit` is the size of a page."""
        query = {"deployment_id": deployment_id, "state": state, "limit": limit}
        return self._session.pages(place("datasources"), Page[Datasource], query)

    async def send(
        self,
        datasource_id: int,
        *,
        deployment_id: int,
        validation_rate: float | None = None,
        test_rate: float | None = None,
    ) -> Datasource:
        """Announce the same records to another deployment; no record is produced.

        Rates are fractions of the records; None keeps those that were recorded. Raise
        ProblemError `datasource-rejected` or `deployment-over` if it cannot be used there.
        """
        body = build(
            DatasourceSend,
            deployment_id=deployment_id,
            validation_rate=validation_rate,
            test_rate=test_rate,
        )
        path = place("datasources", datasource_id, "send")
        return await self._session.create(path, body, Datasource)

    async def record(self, record: DatasourceRecord) -> Datasource:
        """Record a control message (control-logger); known coordinates change nothing."""
        return await self._session.act(place("datasources"), Datasource, record)
