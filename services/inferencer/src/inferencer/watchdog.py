"""Ends a replica that does not come back from a call."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from inferencer.health import Health
from kafkaml.schemas.states import ExitCode

log = structlog.get_logger()

EVERY_SECONDS = 1.0
GRACE_SECONDS = 10  # for a loop that only slept, with the whole process


class Watchdog:
    """Ends the process when the loop has not turned for too long.

    Nothing else can end a model that computes for ever, and where nobody asks /healthz,
    nobody would start the replica anew.
    """

    def __init__(self, *, health: Health) -> None:
        self._health = health

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch meanwhile."""
        done = threading.Event()
        thread = threading.Thread(target=self._run, args=(done,), name="dog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()

    def _run(self, done: threading.Event) -> None:
        stuck = 0
        while not done.wait(EVERY_SECONDS):
            stuck = 0 if self._health.is_alive else stuck + 1
            if stuck >= GRACE_SECONDS:
                log.error("the replica ends: its loop does not turn any more")
                os._exit(ExitCode.RETRYABLE)
