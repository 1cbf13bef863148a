"""One pass: make what runs equal to what the API wants."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import structlog

from kafkaml.exceptions import ClientError
from kafkaml.schemas.workloads import Observation, Phase
from orchestrator.actions import (
    Action,
    Forget,
    ReportExit,
    StartReplica,
    StopReplica,
    UploadLog,
)
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.diagnosis import diagnose
from orchestrator.diff import diff
from orchestrator.exceptions import ExecutorError, TopicRefusedError
from orchestrator.executors.base import Executor, Replica
from orchestrator.ledger import Ledger, Upload
from orchestrator.metrics import Metrics
from orchestrator.object_backoff import ObjectBackoff
from orchestrator.topics import Topics
from orchestrator.workloads_api import WorkloadsApi, is_not_current

ACTION_TIMEOUT = timedelta(seconds=60)
START_TIMEOUT = timedelta(minutes=3)
WORKLOADS_AT_ONCE = 8

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PassSummary:
    """What a pass saw and did."""

    wanted: int
    seen: int
    done: tuple[Action, ...]
    failed: tuple[Action, ...]


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
    ) -> None:
        self._api = api
        self._executor = executor
        self._topics = topics
        self._environment = environment
        self._metrics = metrics
        self._clock = clock
        self._ledger = Ledger()
        self._backoff = ObjectBackoff()

    async def run_pass(self) -> PassSummary:
        """Run one pass; raise `ClientError` or `ExecutorError` if it cannot see enough.

        Without an answer of the API nothing is started and nothing is stopped. One
        workload that fails rests a while, and never keeps the others from being served.
        """
        wanted = await self._api.wanted()
        seen = await self._executor.list()
        now = self._clock()
        self._ledger.keep_only(seen)
        actions = diff(wanted, seen, ledger=self._ledger, now=now)
        self._backoff.keep_only({action.name for action in actions})
        due = [each for each in actions if not self._backoff.is_resting(each.name, now)]
        done = await self._apply_all(due)
        failed = tuple(action for action in due if action not in done)
        return PassSummary(len(wanted), len(seen), done, failed)

    async def _apply_all(self, actions: Iterable[Action]) -> tuple[Action, ...]:
        """Apply the actions of each workload in order, some workloads at once."""
        limit = asyncio.Semaphore(WORKLOADS_AT_ONCE)
        done: list[Action] = []

        async def apply_each(group: list[Action]) -> None:
            async with limit:
                for action in group:
                    if not await self._attempt(action):
                        return
                    done.append(action)

        async with asyncio.TaskGroup() as tasks:
            for _, group in groupby(actions, key=lambda action: action.name):
                tasks.create_task(apply_each(list(group)))
        return tuple(done)

    async def _attempt(self, action: Action) -> bool:
        log = logger.bind(workload=action.name, replica=action.replica, action=action.kind)
        try:
            async with asyncio.timeout(ACTION_TIMEOUT.total_seconds()):
                await self._apply(action)
        except Exception as e:  # noqa: BLE001 - one object never stops the others
            log.warning("failed", error=str(e) or type(e).__name__)
            self._metrics.actions.labels(action.kind, "failed").inc()
            self._backoff.fail(action.name, self._clock())
            return False
        log.debug("done")
        self._metrics.actions.labels(action.kind, "done").inc()
        self._backoff.succeed(action.name)
        return True

    async def _apply(self, action: Action) -> None:
        match action:
            case StartReplica():
                await self._start(action)
            case StopReplica(name, replica):
                await self._executor.stop(name, replica)
            case UploadLog(seen=seen):
                await self._upload_log(seen)
            case ReportExit(seen=seen):
                await self._report_exit(seen)
            case Forget(name, replica):
                await self._executor.forget(name, replica)
            case _:
                raise TypeError(f"{action.kind} is no action")

    async def _start(self, action: StartReplica) -> None:
        workload, replica = action.workload, action.replica
        try:
            await self._topics.ensure(workload.topics)
            # The token is the fence: there is none for an attempt that is over by now.
            token = await self._api.token(workload.name)
            environment = self._environment.build(workload, replica, token)
            await self._executor.start(workload, replica, environment, starts=action.starts)
        except ClientError as e:
            if not is_not_current(e):
                raise
        except (TopicRefusedError, ExecutorError) as e:
            if isinstance(e, TopicRefusedError) or self._is_start_overdue(action):
                await self._report_blocked(action, str(e))
            raise
        else:
            logger.info("started", workload=workload.name, replica=replica)

    def _is_start_overdue(self, action: StartReplica) -> bool:
        # What may pass gets time, for the API gives up what is blocked.
        failing_for = self._backoff.failing_for(action.name, self._clock())
        return failing_for >= START_TIMEOUT

    async def _report_blocked(self, action: StartReplica, message: str) -> None:
        observation = Observation(
            replica=action.replica,
            phase=Phase.BLOCKED,
            reason="platform",
            message=message[:10_000],
        )
        await self._observe(action.name, observation)

    async def _report_exit(self, seen: Replica) -> None:
        observation = Observation(
            replica=seen.replica,
            phase=Phase.EXITED,
            exit_code=seen.exit_code,
            reason=seen.reason,
            message=diagnose(seen)[:10_000],
        )
        await self._observe(seen.name, observation)
        self._ledger.reported.add(seen.run)
        logger.info(
            "ended", workload=seen.name, replica=seen.replica, exit_code=seen.exit_code
        )

    async def _observe(self, name: str, observation: Observation) -> None:
        try:
            await self._api.observe(name, observation)
        except ClientError as e:
            if not is_not_current(e):
                raise

    async def _upload_log(self, seen: Replica) -> None:
        content = await self._executor.log(seen.name, seen.replica)
        try:
            await self._api.put_logs(seen.name, seen.replica, content)
        except ClientError as e:
            if not is_not_current(e):
                raise
        self._ledger.uploads[seen.run] = Upload(seen.log_revision, self._clock())
