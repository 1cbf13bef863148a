"""Decides what the API is to be told of a workload as a whole."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from kafkaml.schemas.workloads import Phase, Workload
from orchestrator.actions import ReportStatus
from orchestrator.case import Case
from orchestrator.executors.base import Replica
from orchestrator.ledger import Status, ToldStatus

NOTICE_INTERVAL = timedelta(seconds=30)


def decide_status(case: Case, replicas: Sequence[Replica]) -> Iterator[ReportStatus]:
    """Return the report that is due about these replicas of the workload, if one is.

    What this orchestrator knows nothing of is told even if all is well: a notice may be
    left from the one before.
    """
    if case.workload is None:
        return
    mine = [each for each in replicas if not case.is_foreign(each)]
    notice, ready = _notice(case, case.workload, mine), _ready(case, mine)
    if notice is None and ready is None:
        return
    told = case.ledger.statuses.get(case.name)
    before = told.status.notice if told else ""
    status = Status(before if notice is None else notice, ready)
    if told is None or not (status == told.status or _can_wait(status, told, case.now)):
        yield ReportStatus(case.name, 0, status=status)


def _notice(case: Case, workload: Workload, replicas: Sequence[Replica]) -> str | None:
    """Return what keeps replicas from running, or None while that is unclear."""
    if not workload.replicas:
        return ""
    waiting = [each for each in replicas if _is_waiting(case, each)]
    if notice := next((each.message for each in waiting if each.message), ""):
        return notice
    if notice := _trouble(case, workload, replicas):
        return notice
    if not replicas and case.obstacle:
        return case.obstacle
    is_running = any(each.phase is Phase.RUNNING for each in replicas)
    return "" if is_running and not waiting else None


def _is_waiting(case: Case, replica: Replica) -> bool:
    # Of a set others may serve, so one that is blocked does not end it.
    return replica.phase is Phase.PENDING or (
        case.is_set and replica.phase is Phase.BLOCKED
    )


def _trouble(case: Case, workload: Workload, replicas: Sequence[Replica]) -> str:
    """Return why a replica that is missing did not start; of a set, why it did not grow."""
    if case.is_set:
        is_right = all(each.size == workload.replicas for each in replicas)
        missing = [] if is_right else [0]
    else:
        running = {each.replica for each in replicas if each.is_running}
        missing = [each for each in range(workload.replicas) if each not in running]
    troubles = filter(None, map(case.trouble, missing))
    return next((each.message for each in troubles), "")


def _ready(case: Case, replicas: Sequence[Replica]) -> int | None:
    return sum(each.is_ready for each in replicas) if case.is_set else None


def _can_wait(status: Status, told: ToldStatus, now: datetime) -> bool:
    """Tell whether only the text of a notice changed: schedulers count aloud."""
    is_text = bool(told.status.notice and status.notice)
    is_known = told.status.ready_replicas == status.ready_replicas
    return is_text and is_known and now < told.at + NOTICE_INTERVAL
