"""Tells the API what was seen, and notes in the ledger what it knows by now."""

from collections.abc import Callable
from datetime import datetime

import structlog

from kafkaml.exceptions import ClientError
from kafkaml.schemas.workloads import Observation, Phase
from orchestrator.actions import ReportBlocked
from orchestrator.diagnosis import diagnose
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Status, ToldStatus, Upload
from orchestrator.workloads_api import WorkloadsApi, is_not_current

MAX_MESSAGE_CHARACTERS = 10_000

logger = structlog.stdlib.get_logger(__name__)


class Reporter:
    """Reports; to be told that an attempt is over by now is as good as being heard."""

    def __init__(
        self, *, api: WorkloadsApi, ledger: Ledger, clock: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._ledger = ledger
        self._clock = clock

    async def report_exit(self, seen: Replica) -> None:
        observation = Observation(
            replica=seen.replica,
            phase=Phase.EXITED,
            exit_code=seen.exit_code,
            reason=seen.reason,
            message=diagnose(seen)[:MAX_MESSAGE_CHARACTERS],
        )
        await self._observe(seen.name, observation)
        self._ledger.reported.add(seen.run)
        if seen.size is not None:
            # The API takes it off those that serve; how many are left is to be told again.
            self._ledger.statuses.pop(seen.name, None)
        logger.info(
            "ended", workload=seen.name, replica=seen.replica, exit_code=seen.exit_code
        )

    async def report_blocked(self, action: ReportBlocked) -> None:
        observation = Observation(
            replica=action.replica,
            phase=Phase.BLOCKED,
            reason=action.reason,
            message=action.message[:MAX_MESSAGE_CHARACTERS],
        )
        await self._observe(action.name, observation)
        logger.info("blocked", workload=action.name, reason=action.reason)

    async def report_status(self, name: str, status: Status) -> None:
        told = self._ledger.status(name)
        if not status.notice or status.ready_replicas != told.ready_replicas:
            running = Observation(phase=Phase.RUNNING, ready_replicas=status.ready_replicas)
            await self._observe(name, running)
        if status.notice:
            message = status.notice[:MAX_MESSAGE_CHARACTERS]
            await self._observe(name, Observation(phase=Phase.PENDING, message=message))
        self._ledger.statuses[name] = ToldStatus(status, self._clock())

    async def upload_log(self, seen: Replica, content: bytes) -> None:
        before, digest = self._ledger.uploads.get(seen.run), hash(content)
        if before is None or before.digest != digest:
            await self._put_log(seen, content)
        self._note_upload(seen, digest)

    def give_up_log(self, seen: Replica) -> None:
        """Take the log for uploaded until it grows again."""
        self._note_upload(seen, digest=None)

    async def _put_log(self, seen: Replica, content: bytes) -> None:
        try:
            await self._api.put_logs(seen.name, seen.replica, content)
        except ClientError as e:
            if not is_not_current(e):
                raise

    def _note_upload(self, seen: Replica, digest: int | None) -> None:
        self._ledger.uploads[seen.run] = Upload(seen.log_revision, self._clock(), digest)

    async def _observe(self, name: str, observation: Observation) -> None:
        try:
            await self._api.observe(name, observation)
        except ClientError as e:
            if not is_not_current(e):
                raise
