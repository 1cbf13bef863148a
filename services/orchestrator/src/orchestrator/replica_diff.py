"""Decides for replicas whose number is ours to keep: each is started and stopped alone."""

from collections.abc import Iterator
from datetime import timedelta

from kafkaml.schemas.states import ExitCode
from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind
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

FIRST_RESTART_DELAY = timedelta(seconds=2)
LONGEST_RESTART_DELAY = timedelta(minutes=5)


def decide_replicas(case: Case) -> Iterator[Action]:
    """Return what is to be done under a name that is no set (see `Replica.size`)."""
    present = {each.replica: each for each in case.seen}
    slots = _wanted_slots(case)
    yield from decide_status(case, [each for each in case.seen if each.replica in slots])
    for number in sorted({*slots, *present}):
        replica, workload = present.get(number), slots.get(number)
        if replica is None:
            yield from _start(case, slots[number], number, starts=0)
        elif case.is_foreign(replica):
            yield from _remove(replica)
        elif replica.is_running:
            yield from _for_running(case, replica, workload)
        else:
            yield from _for_ended(case, replica, workload)


def restart_delay(replica: Replica) -> timedelta:
    """Return how long an ended inference replica rests before it is started again.

    The delay doubles with each restart. A replica that was drained did nothing wrong.
    """
    if replica.exit_code == ExitCode.DRAINED:
        return timedelta()
    factor = 1 << min(replica.restarts, 16)
    return min(FIRST_RESTART_DELAY * factor, LONGEST_RESTART_DELAY)


def _wanted_slots(case: Case) -> dict[int, Workload]:
    """Return the workload by the number of each replica that ought to be there.

    The first one shows whether the executor keeps the number by itself: so where none is
    there, one is enough for now.
    """
    if case.workload is None:
        return {}
    number = case.workload.replicas if case.seen else min(1, case.workload.replicas)
    return dict.fromkeys(range(number), case.workload)


def _start(case: Case, workload: Workload, number: int, *, starts: int) -> Iterator[Action]:
    trouble = case.trouble(number)
    if trouble is not None and trouble.is_final:
        yield ReportBlocked(case.name, number, trouble.reason, trouble.message)
    elif not case.obstacle:
        yield StartReplica(case.name, number, workload=workload, starts=starts)


def _remove(replica: Replica) -> Iterator[Action]:
    """Nobody who could be told wants to know."""
    remove = StopReplica if replica.is_running else Forget
    yield remove(replica.name, replica.replica)


def _for_running(
    case: Case, replica: Replica, workload: Workload | None
) -> Iterator[Action]:
    if workload is None:
        # A Job leaves no trace: what it said last is uploaded now or never.
        if case.has_log_grown(replica):
            yield UploadLog(replica.name, replica.replica, seen=replica)
        yield StopReplica(replica.name, replica.replica)
        return
    if case.is_log_due(replica):
        yield UploadLog(replica.name, replica.replica, seen=replica)
    if replica.phase is Phase.BLOCKED:
        # Again in each pass: only the API decides that an attempt is over.
        yield ReportBlocked(replica.name, replica.replica, replica.reason, replica.message)


def _for_ended(case: Case, replica: Replica, workload: Workload | None) -> Iterator[Action]:
    is_reported = replica.run in case.ledger.reported
    # A check or a training that is reported and still wanted is reported again: only the
    # API decides that an attempt is over.
    is_one_shot = workload is not None and workload.kind is not WorkloadKind.INFERENCE
    if not is_reported or is_one_shot:
        # The log goes first: with the report the attempt may be over, and its name refused.
        if case.has_log_grown(replica):
            yield UploadLog(replica.name, replica.replica, seen=replica)
        yield ReportExit(replica.name, replica.replica, seen=replica)
    elif workload is None:
        yield Forget(replica.name, replica.replica)
    elif replica.exited_at is None or case.now >= replica.exited_at + restart_delay(
        replica
    ):
        yield from _start(case, workload, replica.replica, starts=replica.starts)
