"""What the orchestrator does with workloads, and what it saw of them."""

from api.exceptions import WorkloadNotCurrentError
from api.services.authentication import Secret
from api.services.check_lifecycle import CheckLifecycle
from api.services.failures import message_of, reason_of
from api.services.inference_lifecycle import InferenceLifecycle
from api.services.notices import Notices
from api.services.training_lifecycle import TrainingLifecycle
from api.services.workload_names import AttemptReference
from api.services.workload_rows import WorkloadRow, is_over, lock_workload
from api.storage.unit_of_work import UnitOfWork
from api.tables.inference_row import InferenceRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.token_row import TokenOrigin, TokenRow
from api.tables.training_row import TrainingRow
from kafkaml.schemas.models import ModelError
from kafkaml.schemas.states import ExitCode, FailureReason, ModelVersionState
from kafkaml.schemas.tokens import Scope
from kafkaml.schemas.workloads import Observation, Phase, WorkloadToken


class WorkloadService:
    """Decides what an orchestrator's words mean for checks, trainings and inferences."""

    def __init__(self, *, work: UnitOfWork, check_max_attempts: int) -> None:
        self._work = work
        self._checks = CheckLifecycle(work=work, max_attempts=check_max_attempts)
        self._trainings = TrainingLifecycle(work=work)
        self._inferences = InferenceLifecycle(work=work)
        self._notices = Notices(work=work)

    async def mint_token(self, name: str) -> WorkloadToken:
        """Make a token for a wanted attempt, which is then starting."""
        attempt = AttemptReference.from_name(name)
        row = await self._lock_current(attempt)
        if is_over(row):
            raise WorkloadNotCurrentError(name)
        match row:
            case TrainingRow():
                if row.version.state is not ModelVersionState.VALID:
                    raise WorkloadNotCurrentError(name)
                await self._trainings.start(row)
            case InferenceRow():
                await self._inferences.start(row)
        return WorkloadToken(token=await self._add_token(attempt))

    async def observe(self, name: str, observation: Observation) -> None:
        """Draw the consequences of what was seen; what is over stays as it is."""
        row = await self._lock_current(AttemptReference.from_name(name))
        if is_over(row):
            return
        match row:
            case _ if observation.phase in {Phase.PENDING, Phase.RUNNING}:
                await self._go_on(row, observation)
            case ModelVersionRow():
                await self._end_check(row, observation)
            case TrainingRow():
                await self._end_training(row, observation)
            case InferenceRow():
                await self._end_replica(row, observation)

    async def check_has_been(self, name: str) -> AttemptReference:
        """Return an attempt that is or was; raise WorkloadNotCurrentError.

        The last lines of a lost attempt come when the next one has begun.
        """
        attempt = AttemptReference.from_name(name)
        row = await lock_workload(self._work, attempt)
        if row is None or attempt.attempt > row.attempt:
            raise WorkloadNotCurrentError(name)
        return attempt

    async def _go_on(self, row: WorkloadRow, seen: Observation) -> None:
        if isinstance(row, InferenceRow) and seen.ready_replicas is not None:
            await self._inferences.count_ready(row, seen.ready_replicas)
        if seen.phase is Phase.RUNNING:
            await self._notices.put(row, None)
        elif notice := seen.message.strip():
            await self._notices.put(row, notice)

    async def _end_check(self, version: ModelVersionRow, seen: Observation) -> None:
        reason = reason_of(seen)
        if reason is None and seen.phase is Phase.BLOCKED:
            reason = FailureReason.PLATFORM
        message = message_of(reason or FailureReason.LOST, seen.message)
        if reason is not None:
            await self._checks.fail_check(version, ModelError(message=message))
        elif seen.exit_code == ExitCode.DRAINED:
            await self._checks.repeat(version, losses=version.losses)
        else:
            await self._checks.lose(version, message)

    async def _end_training(self, training: TrainingRow, seen: Observation) -> None:
        reason = reason_of(seen)
        if reason is None and seen.phase is Phase.BLOCKED:
            reason = FailureReason.PLATFORM
        if reason is not None:
            message = message_of(reason, seen.message)
            await self._trainings.fail(training, reason=reason, message=message)
        elif seen.exit_code == ExitCode.DRAINED:
            await self._trainings.requeue(training, losses=training.losses)
        else:
            await self._trainings.lose(training, seen=seen.message)

    async def _end_replica(self, inference: InferenceRow, seen: Observation) -> None:
        if seen.phase is Phase.EXITED:
            await self._inferences.lose(inference, seen.replica)
            return
        reason = reason_of(seen) or FailureReason.PLATFORM
        message = message_of(reason, seen.message)
        await self._inferences.fail(inference, reason=reason, message=message)

    async def _lock_current(self, attempt: AttemptReference) -> WorkloadRow:
        row = await lock_workload(self._work, attempt)
        if row is None or row.attempt != attempt.attempt:
            raise WorkloadNotCurrentError(attempt.name)
        return row

    async def _add_token(self, attempt: AttemptReference) -> str:
        secret = Secret.make()
        await self._work.tokens.add(
            TokenRow(
                origin=TokenOrigin.ATTEMPT,
                name=attempt.name,
                scope=Scope.ATTEMPT,
                prefix=secret.prefix,
                sha256=secret.sha256,
                workload_kind=attempt.kind,
                workload_id=attempt.id,
                attempt=attempt.attempt,
            )
        )
        return secret.text
