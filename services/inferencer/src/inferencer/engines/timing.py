"""What a call takes on this machine."""

import time
from collections.abc import Callable

LEAST_CALLS = 2
MOST_CALLS = 20
MOST_SECONDS = 0.02


def least_seconds(call: Callable[[], object]) -> float:
    """Return the time of the fastest of a few calls, which other processes disturb least.

    Make the first call, which may prepare things, before.
    """
    spent = 0.0
    seconds: list[float] = []
    while len(seconds) < LEAST_CALLS or (
        spent < MOST_SECONDS and len(seconds) < MOST_CALLS
    ):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
        spent += seconds[-1]
    return min(seconds)
