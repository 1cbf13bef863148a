"""How a training moves from state to state."""

from typing import Final

from api.services.failures import message_of
from api.services.states import move_training
from api.storage.unit_of_work import UnitOfWork
from api.tables.base import utc_now
from api.tables.training_row import TrainingRow
from kafkaml.events import (
    TrainingEvent,
    TrainingFailed,
    TrainingFinished,
    TrainingImproved,
    TrainingQueued,
    TrainingStarted,
    TrainingStopped,
    TrainingWaiting,
)
from kafkaml.schemas.attempts import ResultReport
from kafkaml.schemas.incremental import ImprovementReport
from kafkaml.schemas.states import FailureReason, TrainingState
from kafkaml.schemas.trainings import Artifact

NO_CHECKPOINT: Final = {"checkpoint_sha256": None, "checkpoint_size_bytes": None}


class TrainingLifecycle:
    """Moves locked trainings, and tells of it."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def start(self, training: TrainingRow) -> None:
        """Note that the workload is about to be started; this may be said again."""
        if training.state is TrainingState.QUEUED:
            state = move_training(training.state, TrainingState.STARTING)
            await self._work.trainings.change(training, state=state)

    async def await_stream(self, training: TrainingRow) -> None:
        """Note that the stream is awaited. What is further stays there."""
        if training.state not in {TrainingState.QUEUED, TrainingState.STARTING}:
            return
        await self._move(training, TrainingState.WAITING)
        self._tell(TrainingWaiting, training)

    async def train(self, training: TrainingRow) -> None:
        """Note that the model is being fitted. This may be said again."""
        if training.state is TrainingState.TRAINING:
            return
        await self._move(training, TrainingState.TRAINING, started_at=utc_now())
        self._tell(TrainingStarted, training)

    async def improve(self, training: TrainingRow, report: ImprovementReport) -> None:
        """Publish a model of a training that goes on; it was uploaded before."""
        await self.train(training)
        number = (training.improvement or {"number": 0})["number"] + 1
        artifact = Artifact(
            sha256=report.artifact_sha256, size_bytes=training.artifact_size_bytes or 0
        )
        published = report.model_dump(mode="json", exclude={"artifact_sha256"}) | {
            "artifact": artifact.model_dump(mode="json"),
            "number": number,
            "published_at": utc_now().isoformat(),
        }
        await self._work.trainings.change(training, improvement=published)
        self._work.outbox.add_event(
            TrainingImproved(
                id=training.id,
                deployment_id=training.deployment_id,
                attempt=training.attempt,
                number=number,
                epoch=report.epoch,
                values=report.values,
            )
        )

    async def finish(self, training: TrainingRow, report: ResultReport) -> None:
        """Accept the result."""
        await self.train(training)
        matrix = report.confusion_matrix
        await self._move(
            training,
            TrainingState.FINISHED,
            result=report.result.model_dump(mode="json"),
            confusion_matrix=None if matrix is None else matrix.model_dump(mode="json"),
            finished_at=utc_now(),
            **NO_CHECKPOINT,
        )
        self._tell(TrainingFinished, training)

    async def fail(
        self, training: TrainingRow, *, reason: FailureReason, message: str
    ) -> None:
        """End the training without a result."""
        await self._move(
            training,
            TrainingState.FAILED,
            failure_reason=reason,
            failure_message=message,
            finished_at=utc_now(),
            **NO_CHECKPOINT,
        )
        self._tell(TrainingFailed, training, reason=reason, message=message)

    async def stop(self, training: TrainingRow) -> None:
        """End the training because a user wants it.

        Its checkpoint is kept: a retry goes on from there.
        """
        await self._move(training, TrainingState.STOPPED, finished_at=utc_now())
        self._tell(TrainingStopped, training)

    async def lose(
        self,
        training: TrainingRow,
        *,
        reason: FailureReason = FailureReason.LOST,
        seen: str = "",
    ) -> None:
        """Try again after a loss, while that is allowed. The deployment must be loaded."""
        losses = training.losses + 1
        if losses < training.deployment.to_parameters().max_attempts:
            await self.requeue(training, losses=losses)
        else:
            await self.fail(training, reason=reason, message=message_of(reason, seen))

    async def requeue(self, training: TrainingRow, *, losses: int) -> None:
        """Begin the next attempt; from now on the tokens of the present one are dead.

        The checkpoint stays, and what was published. The epochs before it are told again by
        who goes on from there.
        """
        await self._move(
            training,
            TrainingState.QUEUED,
            attempt=training.attempt + 1,
            losses=losses,
            epoch=0,
            progress=None,
            failure_reason=None,
            failure_message=None,
            artifact_sha256=None,
            artifact_size_bytes=None,
            exports=None,
            started_at=None,
            finished_at=None,
        )
        self._tell(TrainingQueued, training)

    async def _move(
        self, training: TrainingRow, to: TrainingState, **values: object
    ) -> None:
        state = move_training(training.state, to)
        await self._work.trainings.change(training, state=state, notice=None, **values)

    def _tell(self, kind: type[TrainingEvent], training: TrainingRow, **more: str) -> None:
        common = {
            "id": training.id,
            "deployment_id": training.deployment_id,
            "attempt": training.attempt,
        }
        self._work.outbox.add_event(kind.model_validate(common | more))
