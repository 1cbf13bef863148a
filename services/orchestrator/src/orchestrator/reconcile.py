"""One pass: make what runs equal to what the API wants."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from kafkaml.schemas.workloads import Workload
from orchestrator.actions import Action
from orchestrator.applier import Applier
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.diff import diff
from orchestrator.executors.base import Executor, Replica
from orchestrator.lanes import Lanes, Outcome
from orchestrator.ledger import Ledger
from orchestrator.metrics import Metrics
from orchestrator.object_backoff import ObjectBackoff
from orchestrator.topics import Topics
from orchestrator.turns import in_turn
from orchestrator.workloads_api import WorkloadsApi

LOOK_TIMEOUT = timedelta(minutes=1)
PATIENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class PassSummary:
    """What a pass saw and did; what had no turn is `postponed` to the next one."""

    wanted: int
    seen: int
    done: tuple[Action, ...]
    failed: tuple[Action, ...]
    postponed: tuple[Action, ...]


class Reconciler:
    """Compares and acts; keeps nothing that it could not lose.

    Several may run at once: the executor starts nothing twice, the API refuses the tokens
    of attempts that are over, and every report may be repeated.
    """

    def __init__(
        self,
        *,
        api: WorkloadsApi,
        executor: Executor,
        topics: Topics,
        environment: EnvironmentBuilder,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience: timedelta = PATIENCE,
    ) -> None:
        self._api = api
        self._executor = executor
        self._metrics = metrics
        self._clock = clock
        self._patience = patience
        self._ledger = Ledger()
        self._backoff = ObjectBackoff()
        applier = Applier(
            api=api,
            executor=executor,
            topics=topics,
            environment=environment,
            metrics=metrics,
            ledger=self._ledger,
            backoff=self._backoff,
            clock=clock,
        )
        self._lanes = Lanes(applier.attempt)

    async def run_pass(self) -> PassSummary:
        """Run one pass; raise `ClientError` or `ExecutorError` if it cannot see enough.

        Without an answer of the API nothing is started and nothing is stopped. One
        workload that fails rests a while, and never keeps the others from being served.
        After some seconds the pass ends, however much is left to do: so what changes
        meanwhile is seen soon. What has begun by then goes on beside the next passes.
        """
        # What is being done now may or may not be seen below: it is left alone.
        busy = self._lanes.busy
        wanted, seen = await self._look()
        now = self._clock()
        self._ledger.keep_only(seen, {workload.name for workload in wanted})
        actions = diff(wanted, seen, ledger=self._ledger, now=now)
        self._backoff.keep_only({action.slot for action in actions})
        groups = in_turn(
            (action for action in actions if action.slot not in busy),
            ledger=self._ledger,
            backoff=self._backoff,
        )
        due = [group for each in groups if (group := self._awake(each, now))]
        outcome = await self._lanes.run(due, self._patience)
        return self._summary(wanted, seen, outcome)

    async def finish(self, grace: timedelta) -> None:
        """Wait for what passes have begun; nothing is begun any more."""
        await self._lanes.finish(grace)

    async def _look(self) -> tuple[Sequence[Workload], Sequence[Replica]]:
        async with asyncio.timeout(LOOK_TIMEOUT.total_seconds()):
            # In this order, what is seen and not wanted is over: it was wanted once.
            seen = await self._executor.list()
            return await self._api.wanted(), seen

    def _awake(self, group: Sequence[Action], now: datetime) -> list[Action]:
        """Return the actions up to the first that rests, for the others build on it."""
        return list(
            takewhile(lambda action: not self._backoff.is_resting(action, now), group)
        )

    def _summary(
        self, wanted: Sequence[Workload], seen: Sequence[Replica], outcome: Outcome
    ) -> PassSummary:
        self._metrics.observe_pass(wanted, seen, postponed=len(outcome.postponed))
        return PassSummary(
            wanted=len(wanted),
            seen=len(seen),
            done=tuple(outcome.done),
            failed=tuple(outcome.failed),
            postponed=tuple(outcome.postponed),
        )
