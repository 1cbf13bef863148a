"""How an inference moves from state to state."""

from api.services.states import move_inference
from api.storage.unit_of_work import UnitOfWork
from api.tables.base import utc_now
from api.tables.inference_row import InferenceRow
from kafkaml.events import (
    InferenceFailed,
    InferencePaused,
    InferenceResumed,
    InferenceScaled,
    InferenceServing,
    InferenceStopped,
)
from kafkaml.schemas.attempts import PauseReport
from kafkaml.schemas.dead_letters import Pause
from kafkaml.schemas.engines import EngineReport
from kafkaml.schemas.states import FailureReason, InferenceState


class InferenceLifecycle:
    """Moves locked inferences, and tells of it."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def start(self, inference: InferenceRow) -> None:
        """Note that the workload is about to be started; this may be said again."""
        if inference.state is InferenceState.QUEUED:
            state = move_inference(inference.state, InferenceState.STARTING)
            await self._work.inferences.change(inference, state=state)

    async def serve(
        self,
        inference: InferenceRow,
        replica: int,
        engine: EngineReport | None = None,
        *,
        revision: int | None = None,
    ) -> None:
        """Note that a replica answers, by which engine and with which models if it tells.

        One known, or too many, changes no state.
        """
        if engine:
            await self._work.inferences.change(
                inference, engine=engine.model_dump(mode="json")
            )
        if revision and replica < inference.replicas:
            seen = inference.serving_revisions | {str(replica): revision}
            await self._work.inferences.change(inference, serving_revisions=seen)
        serving = set(inference.serving_replicas)
        if replica in serving or replica >= inference.replicas:
            return
        await self._serve(inference, sorted(serving | {replica}))

    async def count_ready(self, inference: InferenceRow, ready: int) -> None:
        """Note how many replicas answer, of those whose number the executor keeps.

        There may be more than are wanted, for an autoscaler has a number of its own.
        """
        if ready > len(inference.serving_replicas):
            await self._serve(inference, list(range(ready)))
        elif ready < len(inference.serving_replicas):
            await self._work.inferences.change(
                inference, serving_replicas=list(range(ready))
            )

    async def lose(self, inference: InferenceRow, replica: int) -> None:
        """Note that a replica ended; the orchestrator starts it again."""
        serving = set(inference.serving_replicas) - {replica}
        await self._work.inferences.change(inference, serving_replicas=sorted(serving))

    async def scale(self, inference: InferenceRow, replicas: int) -> None:
        """Want another number of replicas."""
        serving = [each for each in inference.serving_replicas if each < replicas]
        await self._work.inferences.change(
            inference, replicas=replicas, serving_replicas=serving
        )
        self._work.outbox.add_event(
            InferenceScaled(
                id=inference.id, training_id=inference.training_id, replicas=replicas
            )
        )

    async def pause(self, inference: InferenceRow, report: PauseReport) -> None:
        """Note that a replica takes no records any more; others may follow.

        One that has not heard of the newest resumption will go on by itself.
        """
        if inference.pause is not None or report.resumptions < inference.resumptions:
            return
        pause = Pause(reason=report.reason, since=utc_now())
        await self._work.inferences.change(inference, pause=pause.model_dump(mode="json"))
        self._work.outbox.add_event(
            InferencePaused(
                id=inference.id, training_id=inference.training_id, reason=report.reason
            )
        )

    async def resume(self, inference: InferenceRow) -> None:
        """Let the replicas of a paused inference go on."""
        await self._work.inferences.change(
            inference, pause=None, resumptions=inference.resumptions + 1
        )
        self._work.outbox.add_event(
            InferenceResumed(id=inference.id, training_id=inference.training_id)
        )

    async def fail(
        self, inference: InferenceRow, *, reason: FailureReason, message: str
    ) -> None:
        """End the inference, for it cannot go on."""
        state = move_inference(inference.state, InferenceState.FAILED)
        await self._work.replica_addresses.forget(inference)
        await self._work.inferences.change(
            inference,
            state=state,
            notice=None,
            pause=None,
            drift_alarm=None,
            serving_replicas=[],
            failure_reason=reason,
            failure_message=message,
            stopped_at=utc_now(),
        )
        self._work.outbox.add_event(
            InferenceFailed(
                id=inference.id,
                training_id=inference.training_id,
                reason=reason,
                message=message,
            )
        )

    async def stop(self, inference: InferenceRow) -> None:
        """End the inference, for a user wants no answers any more."""
        state = move_inference(inference.state, InferenceState.STOPPED)
        await self._work.replica_addresses.forget(inference)
        await self._work.inferences.change(
            inference,
            state=state,
            notice=None,
            pause=None,
            drift_alarm=None,
            serving_replicas=[],
            stopped_at=utc_now(),
        )
        self._work.outbox.add_event(
            InferenceStopped(id=inference.id, training_id=inference.training_id)
        )

    async def _serve(self, inference: InferenceRow, replicas: list[int]) -> None:
        """Note which replicas answer now. While some do, a notice is about the others."""
        is_first = inference.state is not InferenceState.SERVING
        await self._work.inferences.change(
            inference,
            state=move_inference(inference.state, InferenceState.SERVING),
            notice=None if is_first else inference.notice,
            serving_replicas=replicas,
        )
        self._work.outbox.add_event(
            InferenceServing(id=inference.id, training_id=inference.training_id)
        )
