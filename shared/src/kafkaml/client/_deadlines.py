"""Durations and deadlines."""

import time
from datetime import timedelta
from typing import TypeAlias

Duration: TypeAlias = timedelta | float
"""A length of time; a bare number counts seconds."""


def seconds(duration: Duration) -> float:
    """Return a duration in seconds."""
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    return float(duration)


class Deadline:
    """A moment that comes once, `duration` from now."""

    def __init__(self, duration: Duration) -> None:
        self._end = time.monotonic() + seconds(duration)

    @property
    def seconds_left(self) -> float:
        """How long until then; 0 afterwards."""
        return max(0.0, self._end - time.monotonic())
