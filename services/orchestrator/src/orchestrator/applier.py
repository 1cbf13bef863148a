"""Does what was decided: one action at a time."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from kafkaml.exceptions import ApiUnavailableError, ClientError, TopicError
from kafkaml.schemas.workloads import Workload
from orchestrator.actions import (
    Action,
    EnsureTopics,
    Forget,
    ReportBlocked,
    ReportExit,
    ReportStatus,
    StartReplica,
    StopReplica,
    UploadLog,
)
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.exceptions import (
    ExecutorError,
    NotNowError,
    StartRefusedError,
    TopicRefusedError,
)
from orchestrator.executors.base import Executor
from orchestrator.ledger import Ledger, Trouble
from orchestrator.metrics import Metrics
from orchestrator.object_backoff import ObjectBackoff
from orchestrator.reporter import Reporter
from orchestrator.topics import Topics
from orchestrator.workloads_api import WorkloadsApi, is_not_current

ACTION_TIMEOUT = timedelta(seconds=60)
START_TIMEOUT = timedelta(minutes=3)
LOG_TIMEOUT = timedelta(seconds=30)

logger = structlog.stdlib.get_logger(__name__)


class Applier:
    """Applies actions, and notes in ledger and backoff how that went."""

    def __init__(
        self,
        *,
        api: WorkloadsApi,
        executor: Executor,
        topics: Topics,
        environment: EnvironmentBuilder,
        metrics: Metrics,
        ledger: Ledger,
        backoff: ObjectBackoff,
        clock: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._executor = executor
        self._topics = topics
        self._environment = environment
        self._metrics = metrics
        self._ledger = ledger
        self._backoff = backoff
        self._clock = clock
        self._reporter = Reporter(api=api, ledger=ledger, clock=clock)

    async def attempt(self, action: Action) -> bool:
        """Apply an action in time and return whether that went well; never raise."""
        log = logger.bind(workload=action.name, replica=action.replica, action=action.kind)
        try:
            with self._metrics.action_seconds.labels(action.kind).time():
                async with asyncio.timeout(ACTION_TIMEOUT.total_seconds()):
                    await self._apply(action)
        except Exception as e:  # noqa: BLE001 - one object never stops the others
            log.warning("failed", error=str(e) or type(e).__name__)
            self._metrics.actions.labels(action.kind, "failed").inc()
            self._note_failure(action, e)
            return False
        log.debug("done")
        self._metrics.actions.labels(action.kind, "done").inc()
        self._backoff.succeed(action)
        return True

    async def _apply(self, action: Action) -> None:
        match action:
            case StartReplica():
                await self._start(action)
            case EnsureTopics(workload=workload):
                await self._ensure_topics(workload)
            case StopReplica(name, replica):
                await self._executor.stop(name, replica)
            case UploadLog(name, seen=seen):
                content = await self._executor.log(name, seen.replica)
                await self._reporter.upload_log(seen, content)
            case ReportExit(seen=seen):
                await self._reporter.report_exit(seen)
            case ReportBlocked():
                await self._reporter.report_blocked(action)
            case ReportStatus(name, status=status):
                await self._reporter.report_status(name, status)
            case Forget(name, replica):
                await self._executor.forget(name, replica)
            case _:
                raise TypeError(f"{action.kind} is no action")

    async def _start(self, action: StartReplica) -> None:
        workload, replica = action.workload, action.replica
        await self._ensure_topics(workload)
        try:
            # The token is the fence: there is none for an attempt that is over by now.
            token = await self._api.token(workload.name)
        except ClientError as e:
            if not is_not_current(e):
                raise
            return
        environment = self._environment.build(workload, replica, token)
        await self._executor.start(workload, replica, environment, starts=action.starts)
        self._ledger.troubles.pop(action.slot, None)
        logger.info("started", workload=workload.name, replica=replica)

    async def _ensure_topics(self, workload: Workload) -> None:
        await self._topics.ensure(workload.topics)
        self._ledger.topics[workload.name] = workload.topics

    def _note_failure(self, action: Action, error: Exception) -> None:
        now = self._clock()
        self._backoff.fail(action, now)
        failing_for = self._backoff.failing_for(action, now)
        match action, error:
            case UploadLog(seen=seen), _:
                # The report of an end waits for the log, but not for ever. With the API
                # away it could not be reported either.
                if failing_for >= LOG_TIMEOUT and not isinstance(
                    error, ApiUnavailableError
                ):
                    self._reporter.give_up_log(seen)
            case StartReplica(), TopicError() | ExecutorError() | TimeoutError():
                # What may pass gets time, for the API gives up what is blocked.
                is_overdue = failing_for >= START_TIMEOUT
                self._ledger.troubles[action.slot] = _trouble(error, is_overdue=is_overdue)


def _trouble(error: Exception, *, is_overdue: bool) -> Trouble:
    message = str(error) or "It did not start in time."
    if isinstance(error, StartRefusedError):
        return Trouble(message, reason=error.reason, is_final=True)
    if isinstance(error, NotNowError):
        return Trouble(message)
    return Trouble(message, is_final=is_overdue or isinstance(error, TopicRefusedError))
