"""A point in time until which something may take, on a clock that nobody can set."""

from dataclasses import dataclass
from time import monotonic
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment `at`, in seconds of the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(monotonic() + seconds)

    @property
    def passed(self) -> bool:
        return monotonic() >= self.at

    def limit(self, seconds: float) -> float:
        """Return `seconds`, or what is left if that is less; never below 0."""
        return max(0.0, min(seconds, self.at - monotonic()))
