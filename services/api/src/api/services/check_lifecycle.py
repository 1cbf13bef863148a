"""How the check of a model version ends."""

from api.services.failures import message_of
from api.services.notices import Notices
from api.services.states import move_model_version
from api.services.training_lifecycle import TrainingLifecycle
from api.storage.unit_of_work import UnitOfWork
from api.tables.model_version_row import ModelVersionRow
from kafkaml.events import ModelChecked
from kafkaml.schemas.models import ModelCheck, ModelError
from kafkaml.schemas.states import FailureReason, ModelVersionState


class CheckLifecycle:
    """Moves locked model versions, and tells of it."""

    def __init__(self, *, work: UnitOfWork, max_attempts: int) -> None:
        self._work = work
        self._max_attempts = max_attempts

    async def pass_check(self, version: ModelVersionRow, check: ModelCheck) -> None:
        """Note that the source gives a usable model: its trainings may start."""
        state = move_model_version(version.state, ModelVersionState.VALID)
        await self._work.models.change_version(
            version, state=state, notice=None, check=check.model_dump(mode="json")
        )
        self._tell(version)

    async def fail_check(self, version: ModelVersionRow, error: ModelError) -> None:
        """Note that the source gives no usable model: its trainings fail."""
        state = move_model_version(version.state, ModelVersionState.INVALID)
        await self._work.models.change_version(
            version, state=state, notice=None, error=error.model_dump(mode="json")
        )
        self._tell(version)
        trainings = TrainingLifecycle(work=self._work)
        reason = FailureReason.MODEL_CODE
        for training in await self._work.trainings.lock_active_of_version(version.id):
            message = message_of(reason, error.message)
            await trainings.fail(training, reason=reason, message=message)

    async def lose(self, version: ModelVersionRow, message: str) -> None:
        """Try again after a check was lost, while that is allowed."""
        if version.losses + 1 >= self._max_attempts:
            await self.fail_check(version, ModelError(message=message))
        else:
            await self.repeat(version, losses=version.losses + 1)

    async def repeat(self, version: ModelVersionRow, *, losses: int) -> None:
        """Check again, under the next attempt."""
        await Notices(work=self._work).put(version, None)
        state = move_model_version(version.state, ModelVersionState.CHECKING)
        await self._work.models.change_version(
            version, state=state, attempt=version.attempt + 1, losses=losses
        )

    def _tell(self, version: ModelVersionRow) -> None:
        self._work.outbox.add_event(
            ModelChecked(id=version.model_id, version=version.number, state=version.state)
        )
