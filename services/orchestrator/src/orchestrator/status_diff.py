"""Decides what the API is to be told of a workload as a whole."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from kafkaml.schemas.workloads import Phase, Workload
from orchestrator.actions import ReportStatus
from orchestrator.case import Case
from orchestrator.executors.base import Replica
from orchestrator.ledger import Status

NOTICE_INTERVAL = timedelta(seconds=30)


def decide_status(case: Case, replicas: Sequence[Replica]) -> Iterator[ReportStatus]:
    """Return the report that is due about these replicas of the workload, if one is."""
    if case.workload is None:
        return
    mine = [each for each in replicas if not case.is_foreign(each)]
    status = Status(_notice(case, case.workload, mine), _ready(case, mine))
    if status != case.ledger.status(case.name) and not _can_wait(case, status):
        yield ReportStatus(case.name, 0, status=status)


def _notice(case: Case, workload: Workload, replicas: Sequence[Replica]) -> str:
    """Return what keeps replicas from running; while that is unclear, what was told."""
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
    return "" if is_running and not waiting else case.ledger.status(case.name).notice


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


def _can_wait(case: Case, status: Status) -> bool:
    """Tell whether only the text of a notice changed: schedulers count aloud."""
    told = case.ledger.statuses.get(case.name)
    if told is None or not (told.status.notice and status.notice):
        return False
    is_known = told.status.ready_replicas == status.ready_replicas
    return is_known and case.now < told.at + NOTICE_INTERVAL
