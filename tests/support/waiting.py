"""Waiting for what happens in another process."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

ResultT = TypeVar("ResultT")

INTERVAL_SECONDS = 0.2


def eventually(attempt: Callable[[], ResultT | None], timeout: timedelta) -> ResultT:
    """Return the first result that is not None; fail if there is none in time."""
    deadline = time.monotonic() + timeout.total_seconds()
    while time.monotonic() < deadline:
        result = attempt()
        if result is not None:
            return result
        time.sleep(INTERVAL_SECONDS)
    raise AssertionError(f"{attempt.__name__}: nothing after {timeout}")
