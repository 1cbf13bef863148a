"""In which order actions have their turn when there are more than can be done at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from orchestrator.actions import Action, StartReplica, UploadLog
from orchestrator.ledger import Ledger, Slot
from orchestrator.object_backoff import ObjectBackoff


def in_turn(
    actions: Iterable[Action], *, ledger: Ledger, backoff: ObjectBackoff
) -> list[list[Action]]:
    """Return the actions of each slot together, the most urgent slot first.

    What failed before comes after what did not. Kinds of workloads take turns, each with
    its oldest first, and second replicas wait for all first ones: so no heap of work keeps
    another kind waiting. Logs of what goes on come last, the longest unread one first.
    """
    groups: defaultdict[Slot, list[Action]] = defaultdict(list)
    for action in actions:
        groups[action.slot].append(action)
    places: Counter[str] = Counter()

    def turn(group: list[Action]) -> tuple[bool, int, int, int]:
        first, last = group[0], group[-1]
        kind = last.workload.kind if isinstance(last, StartReplica) else last.kind
        places[kind] += 1
        is_log = isinstance(first, UploadLog) and first is last
        return is_log, max(map(backoff.failures, group)), first.replica, places[kind]

    return [
        group
        for _, group in sorted(
            ((turn(group), group) for group in _by_age(groups.values(), ledger)),
            key=lambda each: each[0],
        )
    ]


def _by_age(groups: Iterable[list[Action]], ledger: Ledger) -> list[list[Action]]:
    def age(group: list[Action]) -> float:
        match group[-1]:
            case StartReplica(workload=workload):
                return workload.id
            case UploadLog(seen=seen) if seen.run in ledger.uploads:
                return ledger.uploads[seen.run].at.timestamp()
            case _:
                return 0

    return sorted(groups, key=age)
