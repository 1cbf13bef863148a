"""What can be done with trainings."""

from api.exceptions import (
    AlreadyFinishedError,
    ModelInvalidError,
    NotFinishedError,
    NotFoundError,
    StillRunningError,
    StreamEndsError,
)
from api.paging import PageRequest
from api.services.training_lifecycle import TrainingLifecycle
from api.storage.unit_of_work import UnitOfWork
from api.tables.training_row import TrainingRow
from kafkaml.schemas.base import Page
from kafkaml.schemas.states import ModelVersionState, TrainingState
from kafkaml.schemas.trainings import ConfusionMatrix, Training, TrainingMetrics


class TrainingService:
    """Decides about trainings on behalf of users."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work
        self._lifecycle = TrainingLifecycle(work=work)

    async def get(self, training_id: int) -> Training:
        return (await self._work.trainings.get(training_id)).to_resource()

    async def page(
        self, page: PageRequest, *, deployment_id: int | None, state: TrainingState | None
    ) -> Page[Training]:
        rows = await self._work.trainings.page(
            page, deployment_id=deployment_id, state=state
        )
        return Page(
            items=[row.to_resource() for row in rows.items], next_cursor=rows.next_cursor
        )

    async def metrics(self, training_id: int, attempt: int | None) -> TrainingMetrics:
        """Return the curves of an attempt, by default the present one."""
        training = await self._work.trainings.get(training_id)
        wanted = attempt_of(training, attempt)
        return TrainingMetrics(
            training_id=training_id,
            attempt=wanted,
            epochs=await self._work.metrics.of_attempt(training_id, wanted),
        )

    async def confusion_matrix(self, training_id: int) -> ConfusionMatrix:
        """Return the confusion matrix of a finished training."""
        training = await self._work.trainings.get(training_id)
        if training.state is not TrainingState.FINISHED:
            raise NotFinishedError(training_id, state=training.state)
        matrix = await self._work.trainings.confusion_matrix(training_id)
        if matrix is None:
            raise NotFoundError(
                f"The training {training_id} has no confusion matrix: none was "
                "asked for, or the model does not predict classes."
            )
        return ConfusionMatrix.model_validate(matrix)

    async def stop(self, training_id: int) -> Training:
        """Stop a training at once; one that is over stays as it is."""
        training = await self._work.trainings.lock(training_id)
        if not training.state.is_final:
            await self._lifecycle.stop(training)
        return training.to_resource()

    async def finish(self, training_id: int) -> Training:
        """End the stream of a training that has none; one that is over stays as it is.

        The trainer then measures the model and hands in its result. Where there is nothing
        to hand in yet, the training is stopped.
        """
        training = await self._work.trainings.lock(training_id)
        if training.state.is_final:
            return training.to_resource()
        if not _is_incremental(training):
            raise StreamEndsError(training_id)
        if training.state is TrainingState.TRAINING or training.checkpoint is not None:
            await self._work.trainings.change(training, is_to_finish=True)
        else:
            await self._lifecycle.stop(training)
        return training.to_resource()

    async def retry(self, training_id: int) -> Training:
        """Begin a new attempt of a training that failed or was stopped."""
        training = await self._work.trainings.lock(training_id)
        if training.state is TrainingState.FINISHED:
            raise AlreadyFinishedError(training_id)
        if not training.state.is_final:
            raise StillRunningError("training", training_id, state=training.state)
        if training.version.state is ModelVersionState.INVALID:
            raise ModelInvalidError([training.version.model.name])
        await self._lifecycle.requeue(training, losses=0)
        await self._work.trainings.change(training, is_to_finish=False)
        return training.to_resource()


def _is_incremental(training: TrainingRow) -> bool:
    """Say whether the stream has no end: by the deployment, or as it was announced."""
    is_asked = training.deployment.to_parameters().incremental is not None
    return is_asked or (training.progress or {}).get("records") is not None


def attempt_of(training: TrainingRow, attempt: int | None) -> int:
    """Return the attempt that is asked for; raise NotFoundError if there was none."""
    if attempt is None:
        return training.attempt
    if attempt > training.attempt:
        raise NotFoundError.of(f"attempt of training {training.id} numbered", attempt)
    return attempt
