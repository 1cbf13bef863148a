"""The decision of one pass: from what is wanted and what is seen to what is to be done.

Pure: no I/O, no clock of its own, the same answer for the same question.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from kafkaml.schemas.states import ExitCode
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.actions import (
    Action,
    Forget,
    ReportExit,
    StartReplica,
    StopReplica,
    UploadLog,
)
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger

LOG_INTERVAL = timedelta(seconds=10)
FIRST_RESTART_DELAY = timedelta(seconds=2)
LONGEST_RESTART_DELAY = timedelta(minutes=5)


def diff(
    wanted: Sequence[Workload],
    seen: Sequence[Replica],
    *,
    ledger: Ledger,
    now: datetime,
) -> list[Action]:
    """Return what makes `seen` equal to `wanted`, ordered by name and replica.

    The actions of one workload build on each other: after one that failed, skip the rest.
    """
    slots = {
        (workload.name, replica): workload
        for workload in wanted
        for replica in range(workload.replicas)
    }
    present = {(each.name, each.replica): each for each in seen}
    actions: list[Action] = []
    for key in sorted(slots.keys() | present.keys()):
        workload, replica = slots.get(key), present.get(key)
        if replica is None:
            actions += _for_missing(slots[key], key[1])
        elif replica.is_running:
            actions += _for_running(replica, workload, ledger, now)
        else:
            actions += _for_ended(replica, workload, ledger, now)
    return actions


def restart_delay(replica: Replica) -> timedelta:
    """Return how long an ended inference replica rests before it is started again.

    The delay doubles with each restart. A replica that was drained did nothing wrong.
    """
    if replica.exit_code == ExitCode.DRAINED:
        return timedelta()
    factor = 1 << min(replica.restarts, 16)
    return min(FIRST_RESTART_DELAY * factor, LONGEST_RESTART_DELAY)


def _for_missing(workload: Workload, replica: int) -> Iterator[Action]:
    yield StartReplica(workload.name, replica, workload=workload, starts=0)


def _for_running(
    replica: Replica, workload: Workload | None, ledger: Ledger, now: datetime
) -> Iterator[Action]:
    if workload is None:
        yield StopReplica(replica.name, replica.replica)
    elif _is_log_due(replica, ledger, now):
        yield UploadLog(replica.name, replica.replica, seen=replica)


def _for_ended(
    replica: Replica, workload: Workload | None, ledger: Ledger, now: datetime
) -> Iterator[Action]:
    is_reported = replica.run in ledger.reported
    # A check or a training that is reported and still wanted is reported again: only the
    # API decides that an attempt is over.
    is_one_shot = workload is not None and workload.kind is not WorkloadKind.INFERENCE
    if not is_reported or is_one_shot:
        # The log goes first: with the report the attempt may be over, and its name refused.
        if _has_log_grown(replica, ledger):
            yield UploadLog(replica.name, replica.replica, seen=replica)
        yield ReportExit(replica.name, replica.replica, seen=replica)
    elif workload is None:
        yield Forget(replica.name, replica.replica)
    elif replica.exited_at is None or now >= replica.exited_at + restart_delay(replica):
        yield StartReplica(
            replica.name, replica.replica, workload=workload, starts=replica.starts
        )


def _has_log_grown(replica: Replica, ledger: Ledger) -> bool:
    upload = ledger.uploads.get(replica.run)
    return replica.log_revision != (upload.revision if upload else 0)


def _is_log_due(replica: Replica, ledger: Ledger, now: datetime) -> bool:
    upload = ledger.uploads.get(replica.run)
    is_recent = upload is not None and now < upload.at + LOG_INTERVAL
    return _has_log_grown(replica, ledger) and not is_recent
