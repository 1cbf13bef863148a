"""How long an action that fails again and again is left alone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.actions import Action
from orchestrator.ledger import Slot

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    since: datetime
    until: datetime


class ObjectBackoff:
    """Counts the failures in a row of each kind of action on each slot.

    The rest goes on meanwhile.
    """

    def __init__(self) -> None:
        self._failures: dict[tuple[Slot, str], _Failures] = {}

    def is_resting(self, action: Action, now: datetime) -> bool:
        failures = self._failures.get(_key(action))
        return failures is not None and now < failures.until

    def failures(self, action: Action) -> int:
        """Return how often it failed in a row."""
        failures = self._failures.get(_key(action))
        return failures.count if failures else 0

    def failing_for(self, action: Action, now: datetime) -> timedelta:
        """Return how long ago the first failure in a row was; zero if there is none."""
        failures = self._failures.get(_key(action))
        return now - failures.since if failures else timedelta()

    def fail(self, action: Action, now: datetime) -> None:
        """Let the action rest, twice as long with each failure."""
        before = self._failures.get(_key(action))
        count, since = (before.count + 1, before.since) if before else (1, now)
        delay = min(FIRST_DELAY * (1 << min(count - 1, 16)), LONGEST_DELAY)
        self._failures[_key(action)] = _Failures(count, since, now + delay)

    def succeed(self, action: Action) -> None:
        self._failures.pop(_key(action), None)

    def keep_only(self, slots: Collection[Slot]) -> None:
        """Drop what is about slots with which nothing is to be done."""
        self._failures = {key: it for key, it in self._failures.items() if key[0] in slots}


def _key(action: Action) -> tuple[Slot, str]:
    return action.slot, action.kind
