"""How long an object that fails again and again is left alone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    since: datetime
    until: datetime


class ObjectBackoff:
    """Counts the failures in a row of each object; the rest goes on meanwhile."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failures] = {}

    def is_resting(self, name: str, now: datetime) -> bool:
        failures = self._failures.get(name)
        return failures is not None and now < failures.until

    def failing_for(self, name: str, now: datetime) -> timedelta:
        """Return how long ago the first failure in a row was; zero if there is none."""
        failures = self._failures.get(name)
        return now - failures.since if failures else timedelta()

    def fail(self, name: str, now: datetime) -> None:
        """Let the object rest, twice as long with each failure."""
        before = self._failures.get(name)
        count, since = (before.count + 1, before.since) if before else (1, now)
        delay = min(FIRST_DELAY * (1 << min(count - 1, 16)), LONGEST_DELAY)
        self._failures[name] = _Failures(count, since, now + delay)

    def succeed(self, name: str) -> None:
        self._failures.pop(name, None)

    def keep_only(self, names: Collection[str]) -> None:
        """Drop what is about objects that are gone."""
        self._failures = {name: it for name, it in self._failures.items() if name in names}
