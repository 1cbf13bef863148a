"""Inferences in the database."""

from collections.abc import Sequence

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from api.exceptions import NotFoundError
from api.paging import PageRequest, Rows
from api.storage.changes import change_row
from api.storage.pages import fetch_page
from api.storage.trainings import WITH_MODEL
from api.tables.inference_row import INFERENCE_IS_ACTIVE, InferenceRow
from api.tables.training_row import TrainingRow
from kafkaml.schemas.states import InferenceState

_NOUN = "inference"
_TRAINING_IDS = (
    InferenceRow.training_id,
    InferenceRow.canary_training_id,
    InferenceRow.shadow_training_id,
)
_KEPT_ARTIFACTS = (
    InferenceRow.kept_artifact,
    InferenceRow.kept_canary_artifact,
    InferenceRow.kept_shadow_artifact,
)


class InferenceStore:
    """Reads and writes inferences."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add(self, inference: InferenceRow) -> InferenceRow:
        """Add an inference and return it with what the database filled in."""
        self._session.add(inference)
        await self._session.flush()
        return inference

    async def get(self, inference_id: int) -> InferenceRow:
        """Return an inference; raise NotFoundError."""
        statement = select(InferenceRow).where(InferenceRow.id == inference_id)
        return _found(await self._session.scalar(statement), inference_id)

    async def lock(self, inference_id: int) -> InferenceRow:
        """Return an inference with its trainings for a change; raise NotFoundError."""
        statement = (
            select(InferenceRow)
            .where(InferenceRow.id == inference_id)
            .options(
                joinedload(InferenceRow.training, innerjoin=True).options(WITH_MODEL),
                selectinload(InferenceRow.canary_training).options(WITH_MODEL),
                selectinload(InferenceRow.shadow_training).options(WITH_MODEL),
            )
            .with_for_update(of=InferenceRow)
        )
        return _found(await self._session.scalar(statement), inference_id)

    async def page(
        self,
        page: PageRequest,
        *,
        training_id: int | None = None,
        state: InferenceState | None = None,
    ) -> Rows[InferenceRow]:
        """Return inferences, if asked only those of a training or in a state."""
        statement = select(InferenceRow)
        if training_id is not None:
            statement = statement.where(InferenceRow.training_id == training_id)
        if state is not None:
            statement = statement.where(InferenceRow.state == state)
        return await fetch_page(self._session, statement, key=InferenceRow.id, page=page)

    async def wanted(self) -> Sequence[InferenceRow]:
        """Return the active inferences."""
        statement = (
            select(InferenceRow).where(INFERENCE_IS_ACTIVE).order_by(InferenceRow.id)
        )
        return (await self._session.scalars(statement)).all()

    async def user_of_deployment(self, deployment_id: int) -> int | None:
        """Return the id of an inference that has a model of the deployment."""
        trainings = select(TrainingRow.id).where(TrainingRow.deployment_id == deployment_id)
        statement = (
            select(InferenceRow.id)
            .where(or_(*(column.in_(trainings) for column in _TRAINING_IDS)))
            .order_by(InferenceRow.id)
            .limit(1)
        )
        return await self._session.scalar(statement)

    async def is_kept(self, training: TrainingRow, sha256: str) -> bool:
        """Say whether an inference serves this file of a training, or another has it, too.

        Trainings of one deployment can make the same file.
        """
        previous = InferenceRow.previous_models
        kept = [
            *(column["sha256"].astext for column in _KEPT_ARTIFACTS),
            *(
                previous[role]["kept_artifact"]["sha256"].astext
                for role in ("primary", "canary", "shadow")
            ),
        ]
        served = select(InferenceRow.id).where(or_(*(each == sha256 for each in kept)))
        if await self._session.scalar(served.limit(1)) is not None:
            return True
        published = TrainingRow.improvement["artifact"]["sha256"].astext
        made = select(TrainingRow.id).where(
            TrainingRow.deployment_id == training.deployment_id,
            TrainingRow.id != training.id,
            (TrainingRow.artifact_sha256 == sha256) | (published == sha256),
        )
        return await self._session.scalar(made.limit(1)) is not None

    async def change(self, inference: InferenceRow, **values: object) -> None:
        """Change a locked inference, naming the state and attempt it had."""
        await change_row(self._session, inference, **values)

    async def delete(self, inference: InferenceRow) -> None:
        """Delete an inference."""
        await self._session.execute(
            delete(InferenceRow).where(InferenceRow.id == inference.id)
        )


def _found(inference: InferenceRow | None, inference_id: int) -> InferenceRow:
    if inference is None:
        raise NotFoundError.of(_NOUN, inference_id)
    return inference
