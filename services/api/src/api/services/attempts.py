"""What trainers and inferencers get and report, under the token of their attempt."""

from typing import TypeVar

from api.exceptions import (
    AttemptOverError,
    ConflictError,
    NotFoundError,
    ValidationFailedError,
)
from api.services.check_lifecycle import CheckLifecycle
from api.services.inference_lifecycle import InferenceLifecycle
from api.services.model_changes import ModelChanges
from api.services.orders import (
    check_order,
    inference_order,
    served_artifact,
    training_order,
)
from api.services.statistics import StatisticsService
from api.services.training_lifecycle import TrainingLifecycle
from api.services.workload_names import AttemptReference
from api.services.workload_rows import WorkloadRow, is_over, lock_workload
from api.storage.unit_of_work import UnitOfWork
from api.tables.inference_row import InferenceRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.training_row import TrainingRow
from kafkaml.events import TrainingProgressed, TrainingStepped
from kafkaml.schemas.attempts import (
    CheckReport,
    EpochReport,
    FailureReport,
    Order,
    PauseReport,
    ProgressReport,
    ResultReport,
)
from kafkaml.schemas.incremental import ImprovementReport
from kafkaml.schemas.models import ModelError
from kafkaml.schemas.served_models import RefusalReport
from kafkaml.schemas.states import InferenceState, ModelVersionState, TrainingState
from kafkaml.schemas.statistics import StatisticsReport
from kafkaml.schemas.trainings import (
    Artifact,
    ArtifactFormat,
    TrainingProgress,
)

RowT = TypeVar("RowT", ModelVersionRow, TrainingRow, InferenceRow)


class AttemptService:
    """Answers one attempt. One that is over gets AttemptOverError for every call."""

    def __init__(
        self, *, work: UnitOfWork, attempt: AttemptReference, check_max_attempts: int
    ) -> None:
        self._work = work
        self._attempt = attempt
        self._checks = CheckLifecycle(work=work, max_attempts=check_max_attempts)
        self._trainings = TrainingLifecycle(work=work)
        self._inferences = InferenceLifecycle(work=work)

    async def order(self) -> Order:
        """Return what to do."""
        match await self._lock_live():
            case ModelVersionRow() as version:
                return check_order(version)
            case TrainingRow() as training:
                source = await self._work.trainings.source(training)
                return training_order(training, source=source)
            case InferenceRow() as inference:
                return inference_order(inference)

    async def report_progress(self, report: ProgressReport) -> None:
        """Note how far the attempt is."""
        row = await self._lock_live()
        match row, report.state:
            case TrainingRow(), TrainingState.WAITING:
                await self._trainings.await_stream(row)
            case TrainingRow(), TrainingState.TRAINING:
                await self._trainings.train(row)
                await self._note_progress(row, report.progress)
            case InferenceRow(), InferenceState.SERVING:
                await self._inferences.serve(
                    row, report.replica, report.engine, revision=report.revision
                )
            case _:
                raise ValidationFailedError.at(
                    "body.state", f"a {self._attempt.kind} is never {report.state}"
                )

    async def _note_progress(
        self, training: TrainingRow, progress: TrainingProgress | None
    ) -> None:
        if progress is None:
            return
        fields = progress.model_dump(mode="json")
        await self._work.trainings.change(training, progress=fields)
        self._work.outbox.add_event(
            TrainingStepped(
                id=training.id,
                deployment_id=training.deployment_id,
                attempt=training.attempt,
                epochs=training.epochs,
                **fields,
            )
        )

    async def report_epoch(self, report: EpochReport) -> None:
        """Keep the metrics of an epoch; what is known already stays as it is."""
        training = _only(TrainingRow, await self._lock_live())
        await self._trainings.train(training)
        is_new = await self._work.metrics.add(
            training.id,
            attempt=training.attempt,
            epoch=report.epoch,
            values=report.values,
        )
        if report.epoch > training.epoch:
            await self._work.trainings.change(training, epoch=report.epoch)
        if is_new:
            self._work.outbox.add_event(
                TrainingProgressed(
                    id=training.id,
                    deployment_id=training.deployment_id,
                    attempt=training.attempt,
                    epoch=report.epoch,
                    epochs=training.epochs,
                    values=report.values,
                )
            )

    async def check_may_upload(self) -> None:
        """Return if the attempt may upload an artifact or a checkpoint."""
        _only(TrainingRow, await self._lock_live())

    async def note_checkpoint(self, checkpoint: Artifact) -> str | None:
        """Note how far the attempt is; return the digest of the checkpoint before."""
        training = _only(TrainingRow, await self._lock_live())
        before = training.checkpoint_sha256
        await self._work.trainings.change(
            training,
            checkpoint_sha256=checkpoint.sha256,
            checkpoint_size_bytes=checkpoint.size_bytes,
        )
        return before

    async def checkpoint(self) -> Artifact:
        """Return where the attempt can go on; raise NotFoundError if it has to begin."""
        training = _only(TrainingRow, await self._lock_live())
        if training.checkpoint is None:
            raise NotFoundError(f"The training {training.id} has no checkpoint.")
        return training.checkpoint

    async def note_upload(self, artifact: Artifact) -> Artifact:
        """Note what the attempt has uploaded."""
        training = _only(TrainingRow, await self._lock_live())
        if artifact.format is ArtifactFormat.KERAS:
            await self._work.trainings.change(
                training,
                artifact_sha256=artifact.sha256,
                artifact_size_bytes=artifact.size_bytes,
            )
        else:
            exported = {artifact.format.value: artifact.model_dump(mode="json")}
            await self._work.trainings.change(
                training, exports=(training.exports or {}) | exported
            )
        return artifact

    async def artifact(
        self, wanted: ArtifactFormat, *, sha256: str | None = None
    ) -> Artifact:
        """Return a model that an inference is to serve, in a format."""
        inference = _only(InferenceRow, await self._lock_live())
        return served_artifact(inference, wanted, sha256=sha256)

    async def report_refusal(self, report: RefusalReport) -> None:
        """Note that a replica cannot serve the models that it is to."""
        inference = _only(InferenceRow, await self._lock_live())
        await ModelChanges(work=self._work).refuse(inference, report)

    async def report_statistics(self, report: StatisticsReport) -> None:
        """Keep what a replica counts, in place of what it told before."""
        inference = _only(InferenceRow, await self._lock_live())
        await StatisticsService(work=self._work).keep(inference, report)

    async def report_pause(self, report: PauseReport) -> None:
        """Note that a replica takes no records until the inference is resumed."""
        inference = _only(InferenceRow, await self._lock_live())
        await self._inferences.pause(inference, report)

    async def report_improvement(self, report: ImprovementReport) -> str | None:
        """Publish what was uploaded; return the digest that nothing needs any more."""
        training = _only(TrainingRow, await self._lock_live())
        before = training.improvement
        if before is not None and before["artifact"]["sha256"] == report.artifact_sha256:
            return None
        if training.artifact_sha256 != report.artifact_sha256:
            raise ValidationFailedError.at(
                "body.artifact_sha256", "upload the artifact with this digest first"
            )
        replaced = await self._replaced(training, by=report.artifact_sha256)
        await self._trainings.improve(training, report)
        return replaced

    async def report_result(self, report: ResultReport) -> str | None:
        """Accept the result, once; return the digest that nothing needs any more."""
        training = _only(TrainingRow, await self._lock_own())
        is_own = training.artifact_sha256 == report.artifact_sha256
        if training.state is TrainingState.FINISHED and is_own:
            return None  # said again, for the answer was lost
        self._check_live(training)
        if not is_own:
            raise ValidationFailedError.at(
                "body.artifact_sha256", "upload the artifact with this digest first"
            )
        replaced = await self._replaced(training, by=report.artifact_sha256)
        await self._trainings.finish(training, report)
        return replaced

    async def _replaced(self, training: TrainingRow, *, by: str) -> str | None:
        """Return the digest of what was published before, unless something needs it."""
        if training.improvement is None:
            return None
        published = str(training.improvement["artifact"]["sha256"])
        is_kept = await self._work.inferences.is_kept(training, published)
        return None if published == by or is_kept else published

    async def report_check(self, report: CheckReport) -> None:
        """Accept the outcome of a check, once."""
        version = _only(ModelVersionRow, await self._lock_own())
        if version.state is not ModelVersionState.CHECKING:
            return
        match report.check, report.error:
            case None, ModelError() as error:
                await self._checks.fail_check(version, error)
            case check, None if check is not None:
                await self._checks.pass_check(version, check)
            case _:
                raise ValidationFailedError.at("body", "give either check or error")

    async def report_failure(self, report: FailureReport) -> None:
        """Accept that the attempt gives up: for good, or for another attempt to follow."""
        row = await self._lock_own()
        if _has_failed(row):
            return
        self._check_live(row)
        match row:
            case ModelVersionRow():
                await self._fail_check(row, report)
            case TrainingRow() if report.retryable:
                await self._trainings.lose(row, reason=report.reason, seen=report.message)
            case TrainingRow():
                await self._trainings.fail(
                    row, reason=report.reason, message=report.message
                )
            case InferenceRow() if not report.retryable:
                await self._inferences.fail(
                    row, reason=report.reason, message=report.message
                )

    async def _fail_check(self, version: ModelVersionRow, report: FailureReport) -> None:
        if report.retryable:
            await self._checks.lose(version, report.message)
        else:
            await self._checks.fail_check(version, ModelError(message=report.message))

    async def _lock_live(self) -> WorkloadRow:
        row = await self._lock_own()
        self._check_live(row)
        return row

    async def _lock_own(self) -> WorkloadRow:
        row = await lock_workload(self._work, self._attempt)
        if row is None or row.attempt != self._attempt.attempt:
            raise AttemptOverError
        return row

    @staticmethod
    def _check_live(row: WorkloadRow) -> None:
        if is_over(row):
            raise AttemptOverError


def _only(kind: type[RowT], row: WorkloadRow) -> RowT:
    if not isinstance(row, kind):
        raise ConflictError(
            "This call is not for the kind of workload that the token names."
        )
    return row


def _has_failed(row: WorkloadRow) -> bool:
    return row.state in {
        ModelVersionState.INVALID,
        TrainingState.FAILED,
        InferenceState.FAILED,
    }
