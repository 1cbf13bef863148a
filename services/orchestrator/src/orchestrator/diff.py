"""The decision of one pass: from what is wanted and what is seen to what is to be done.

Pure: no I/O, no clock of its own, the same answer for the same question.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from kafkaml.schemas.workloads import Workload
from orchestrator.actions import Action, EnsureTopics
from orchestrator.case import LOG_INTERVAL, LOG_INTERVAL_OF_EACH, Case
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger
from orchestrator.replica_diff import decide_replicas
from orchestrator.set_diff import decide_set


def diff(
    wanted: Sequence[Workload],
    seen: Sequence[Replica],
    *,
    ledger: Ledger,
    now: datetime,
) -> list[Action]:
    """Return what makes `seen` equal to `wanted`, ordered by name and replica.

    The time that it takes grows with the number of both together, and no faster.
    """
    actions: list[Action] = []
    for case in _cases(wanted, seen, ledger, now):
        actions += decide_set(case) if case.is_set else decide_replicas(case)
        actions += _decide_topics(case)
    return actions


def _decide_topics(case: Case) -> Iterator[EnsureTopics]:
    """Return what makes the topics of a running workload that it has not had so far.

    A start makes them, too; nothing else waits for this.
    """
    if case.workload is None or not any(
        each.is_running and not case.is_foreign(each) for each in case.seen
    ):
        return
    if case.ledger.topics.get(case.name, []) != case.workload.topics:
        yield EnsureTopics(case.name, 0, workload=case.workload)


def _cases(
    wanted: Sequence[Workload], seen: Sequence[Replica], ledger: Ledger, now: datetime
) -> Iterator[Case]:
    workloads = {workload.name: workload for workload in wanted}
    replicas: defaultdict[str, list[Replica]] = defaultdict(list)
    for each in sorted(seen, key=lambda each: (each.name, each.replica)):
        replicas[each.name].append(each)
    living = _living_attempts(seen)
    log_interval = max(LOG_INTERVAL, LOG_INTERVAL_OF_EACH * len(seen))
    for name in sorted(workloads.keys() | replicas.keys()):
        rivals = living.get(_subject(name), set()) - {name}
        yield Case(
            name=name,
            workload=workloads.get(name),
            seen=replicas.get(name, []),
            rival=min(rivals, default=None),
            ledger=ledger,
            now=now,
            log_interval=log_interval,
        )


def _living_attempts(seen: Sequence[Replica]) -> dict[str, set[str]]:
    """Return the names of what has not ended, by what they are attempts of."""
    living: defaultdict[str, set[str]] = defaultdict(set)
    for each in seen:
        # Its controller starts an ended replica of a set again.
        if each.is_running or each.size is not None:
            living[_subject(each.name)].add(each.name)
    return living


def _subject(name: str) -> str:
    """Return what all attempts of one check, training or inference have in common."""
    return name.rpartition("-")[0]
