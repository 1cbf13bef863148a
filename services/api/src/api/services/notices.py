"""What keeps checks, trainings and inferences from running, as people are told."""

from api.services.workload_rows import WorkloadRow
from api.storage.unit_of_work import UnitOfWork
from api.tables.inference_row import InferenceRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.training_row import TrainingRow
from kafkaml.events import InferenceNoticed, ModelNoticed, TrainingNoticed


class Notices:
    """Puts notices on locked rows and takes them off, and tells of it."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def put(self, row: WorkloadRow, notice: str | None) -> None:
        """Show a notice, or with None none any more; the one that is there is not told."""
        if notice == row.notice:
            return
        match row:
            case ModelVersionRow():
                await self._put_on_check(row, notice)
            case TrainingRow():
                await self._put_on_training(row, notice)
            case InferenceRow():
                await self._put_on_inference(row, notice)

    async def _put_on_check(self, version: ModelVersionRow, notice: str | None) -> None:
        await self._work.models.change_version(version, notice=notice)
        self._work.outbox.add_event(
            ModelNoticed(id=version.model_id, version=version.number, notice=notice)
        )

    async def _put_on_training(self, training: TrainingRow, notice: str | None) -> None:
        await self._work.trainings.change(training, notice=notice)
        self._work.outbox.add_event(
            TrainingNoticed(
                id=training.id,
                deployment_id=training.deployment_id,
                attempt=training.attempt,
                notice=notice,
            )
        )

    async def _put_on_inference(self, inference: InferenceRow, notice: str | None) -> None:
        await self._work.inferences.change(inference, notice=notice)
        self._work.outbox.add_event(
            InferenceNoticed(
                id=inference.id, training_id=inference.training_id, notice=notice
            )
        )
