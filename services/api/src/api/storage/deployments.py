"""Deployments in the database."""

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from api.exceptions import NotFoundError
from api.paging import PageRequest, Rows
from api.storage.pages import fetch_page
from api.storage.trainings import WITH_MODEL
from api.tables.deployment_row import DeploymentRow

_WITH_TRAININGS = selectinload(DeploymentRow.trainings).options(WITH_MODEL)


class DeploymentStore:
    """Reads and writes deployments."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, *, configuration_id: int, parameters: dict[str, Any], control_topic: str
    ) -> DeploymentRow:
        """Add a deployment without trainings."""
        deployment = DeploymentRow(
            configuration_id=configuration_id,
            parameters=parameters,
            control_topic=control_topic,
        )
        self._session.add(deployment)
        await self._session.flush()
        return deployment

    async def get(self, deployment_id: int) -> DeploymentRow:
        """Return a deployment with its trainings; raise NotFoundError."""
        statement = (
            select(DeploymentRow)
            .where(DeploymentRow.id == deployment_id)
            .options(_WITH_TRAININGS)
            .execution_options(populate_existing=True)
        )
        return _found(await self._session.scalar(statement), deployment_id)

    async def lock(self, deployment_id: int) -> DeploymentRow:
        """Return a deployment for a change; raise NotFoundError."""
        statement = (
            select(DeploymentRow).where(DeploymentRow.id == deployment_id).with_for_update()
        )
        return _found(await self._session.scalar(statement), deployment_id)

    async def exists(self, deployment_id: int) -> bool:
        """Say whether there is such a deployment."""
        statement = select(DeploymentRow.id).where(DeploymentRow.id == deployment_id)
        return await self._session.scalar(statement) is not None

    async def page(self, page: PageRequest) -> Rows[DeploymentRow]:
        """Return deployments with their trainings."""
        statement = select(DeploymentRow).options(_WITH_TRAININGS)
        return await fetch_page(self._session, statement, key=DeploymentRow.id, page=page)

    async def delete(self, deployment: DeploymentRow) -> None:
        """Delete a deployment with its trainings."""
        await self._session.execute(
            delete(DeploymentRow).where(DeploymentRow.id == deployment.id)
        )

    async def user_of_configuration(self, configuration_id: int) -> int | None:
        """Return the id of a deployment of the configuration."""
        statement = (
            select(DeploymentRow.id)
            .where(DeploymentRow.configuration_id == configuration_id)
            .order_by(DeploymentRow.id)
            .limit(1)
        )
        return await self._session.scalar(statement)


def _found(deployment: DeploymentRow | None, deployment_id: int) -> DeploymentRow:
    if deployment is None:
        raise NotFoundError.of("deployment", deployment_id)
    return deployment
