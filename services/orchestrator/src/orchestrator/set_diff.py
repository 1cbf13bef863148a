"""Decides for a set: an inference whose number of replicas the executor keeps by itself.

Replica 0 stands for all in what is done to the set as a whole, so that those actions
follow one another. Logs are uploaded beside them: one that cannot be read delays nothing.
"""

from collections.abc import Iterator

from kafkaml.schemas.workloads import Phase, Workload
from orchestrator.actions import (
    Action,
    Forget,
    ReportBlocked,
    ReportExit,
    StartReplica,
    StopReplica,
    UploadLog,
)
from orchestrator.case import Case
from orchestrator.executors.base import Replica
from orchestrator.status_diff import decide_status


def decide_set(case: Case) -> Iterator[Action]:
    """Return what is to be done to a set (see `Replica.size`)."""
    if case.workload is None:
        yield from _for_unwanted(case)
    elif any(map(case.is_foreign, case.seen)):
        yield from _remove(case)
    else:
        yield from _for_wanted(case, case.workload)


def _for_unwanted(case: Case) -> Iterator[Action]:
    """Its replicas leave no trace: what they said last is uploaded now or never."""
    first, *others = case.seen
    yield from _upload(first, is_due=case.has_log_grown(first))
    yield from _remove(case)
    for each in others:
        yield from _upload(each, is_due=case.has_log_grown(each))


def _remove(case: Case) -> Iterator[Action]:
    yield StopReplica(case.name, 0)
    if not any(each.is_running for each in case.seen):
        yield Forget(case.name, 0)


def _for_wanted(case: Case, workload: Workload) -> Iterator[Action]:
    # Its controller starts what has ended again, so an end is only told.
    for each in case.seen:
        if not each.is_running and each.run not in case.ledger.reported:
            yield ReportExit(case.name, 0, seen=each)
    if blocked := _blocked(case):
        yield ReportBlocked(case.name, 0, blocked.reason, blocked.message)
    else:
        yield from decide_status(case, case.seen)
    if any(each.size != workload.replicas for each in case.seen):
        yield StartReplica(case.name, 0, workload=workload, starts=0)
    for each in case.seen:
        yield from _upload(each, is_due=case.is_log_due(each))


def _blocked(case: Case) -> Replica | None:
    """Return what stands for a set that won't serve; while another one may, none does."""
    if any(each.phase in {Phase.RUNNING, Phase.PENDING} for each in case.seen):
        return None
    return next((each for each in case.seen if each.phase is Phase.BLOCKED), None)


def _upload(replica: Replica, *, is_due: bool) -> Iterator[Action]:
    if is_due:
        yield UploadLog(replica.name, replica.replica, seen=replica)
