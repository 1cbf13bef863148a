"""Trainings in the database."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer, joinedload

from api.exceptions import NotFoundError
from api.paging import PageRequest, Rows
from api.storage.changes import change_row
from api.storage.pages import fetch_page
from api.tables.deployment_row import DeploymentRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.training_row import TRAINING_IS_ACTIVE, TrainingRow
from kafkaml.schemas.states import ModelVersionState, TrainingState

# The version and its model, but not the source: it can be large, and nobody asks here.
WITH_MODEL = joinedload(TrainingRow.version, innerjoin=True).options(
    defer(ModelVersionRow.source, raiseload=True),
    defer(ModelVersionRow.check, raiseload=True),
    defer(ModelVersionRow.error, raiseload=True),
    joinedload(ModelVersionRow.model, innerjoin=True),
)


class TrainingStore:
    """Reads and writes trainings."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add_all(
        self, deployment: DeploymentRow, versions: Sequence[ModelVersionRow], *, epochs: int
    ) -> list[TrainingRow]:
        """Add a queued training for each version."""
        trainings = [
            TrainingRow(
                deployment_id=deployment.id,
                model_version_id=version.id,
                state=TrainingState.QUEUED,
                attempt=1,
                epochs=epochs,
            )
            for version in versions
        ]
        self._session.add_all(trainings)
        await self._session.flush()
        return trainings

    async def get(self, training_id: int) -> TrainingRow:
        """Return a training with its version and model; raise NotFoundError."""
        statement = (
            select(TrainingRow).where(TrainingRow.id == training_id).options(WITH_MODEL)
        )
        return _found(await self._session.scalar(statement), training_id)

    async def lock(self, training_id: int) -> TrainingRow:
        """Return a training, all that belongs to it, for a change; raise NotFoundError."""
        statement = (
            select(TrainingRow)
            .where(TrainingRow.id == training_id)
            .options(WITH_MODEL, joinedload(TrainingRow.deployment, innerjoin=True))
            .with_for_update(of=TrainingRow)
        )
        return _found(await self._session.scalar(statement), training_id)

    async def page(
        self,
        page: PageRequest,
        *,
        deployment_id: int | None = None,
        state: TrainingState | None = None,
    ) -> Rows[TrainingRow]:
        """Return trainings, if asked only those of a deployment or in a state."""
        statement = select(TrainingRow).options(WITH_MODEL)
        if deployment_id is not None:
            statement = statement.where(TrainingRow.deployment_id == deployment_id)
        if state is not None:
            statement = statement.where(TrainingRow.state == state)
        return await fetch_page(self._session, statement, key=TrainingRow.id, page=page)

    async def wanted(self) -> Sequence[TrainingRow]:
        """Return the active trainings whose model is valid, with their deployments."""
        statement = (
            select(TrainingRow)
            .join(TrainingRow.version)
            .where(TRAINING_IS_ACTIVE, ModelVersionRow.state == ModelVersionState.VALID)
            .order_by(TrainingRow.id)
            .options(joinedload(TrainingRow.deployment, innerjoin=True))
        )
        return (await self._session.scalars(statement)).all()

    async def lock_of_deployment(self, deployment_id: int) -> Sequence[TrainingRow]:
        """Return the trainings of a deployment for a change."""
        statement = (
            select(TrainingRow)
            .where(TrainingRow.deployment_id == deployment_id)
            .order_by(TrainingRow.id)
            .with_for_update()
        )
        return (await self._session.scalars(statement)).all()

    async def lock_active_of_version(self, version_id: int) -> Sequence[TrainingRow]:
        """Return the active trainings of a model version for a change."""
        statement = (
            select(TrainingRow)
            .where(TrainingRow.model_version_id == version_id, TRAINING_IS_ACTIVE)
            .order_by(TrainingRow.id)
            .with_for_update()
        )
        return (await self._session.scalars(statement)).all()

    async def is_awaited(self, deployment_id: int) -> bool:
        """Say whether a training of the deployment is not over."""
        statement = (
            select(TrainingRow.id)
            .where(TrainingRow.deployment_id == deployment_id, TRAINING_IS_ACTIVE)
            .limit(1)
        )
        return await self._session.scalar(statement) is not None

    async def user_of_model(self, model_id: int) -> int | None:
        """Return the id of a training of any version of the model."""
        statement = (
            select(TrainingRow.id)
            .join(TrainingRow.version)
            .where(ModelVersionRow.model_id == model_id)
            .order_by(TrainingRow.id)
            .limit(1)
        )
        return await self._session.scalar(statement)

    async def checkpoints(self, training_ids: Iterable[int]) -> set[tuple[int, str]]:
        """Return the ids and the digests of those that have a checkpoint."""
        statement = select(TrainingRow.id, TrainingRow.checkpoint_sha256).where(
            TrainingRow.id.in_(training_ids), TrainingRow.checkpoint_sha256.is_not(None)
        )
        rows = await self._session.execute(statement)
        return {(training_id, str(digest)) for training_id, digest in rows}

    async def source(self, training: TrainingRow) -> str:
        """Return the source of the training's model version."""
        statement = select(ModelVersionRow.source).where(
            ModelVersionRow.id == training.model_version_id
        )
        return (await self._session.scalars(statement)).one()

    async def confusion_matrix(self, training_id: int) -> dict[str, Any] | None:
        """Return the confusion matrix of a training, if it has one."""
        statement = select(TrainingRow.confusion_matrix).where(
            TrainingRow.id == training_id
        )
        return await self._session.scalar(statement)

    async def change(self, training: TrainingRow, **values: object) -> None:
        """Change a locked training, naming the state and attempt it had."""
        await change_row(self._session, training, **values)


def _found(training: TrainingRow | None, training_id: int) -> TrainingRow:
    if training is None:
        raise NotFoundError.of("training", training_id)
    return training
