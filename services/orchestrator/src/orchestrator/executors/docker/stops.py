"""Stops under way: the engine answers one only when its container has ended."""

import asyncio
from collections.abc import Collection
from datetime import timedelta

import structlog

from orchestrator.exceptions import ExecutorError
from orchestrator.executors.docker.engine import Engine

STOPS_AT_ONCE = 50

# What the engine refuses, it refuses within moments.
_REFUSAL_SECONDS = 0.2

logger = structlog.stdlib.get_logger(__name__)


class Stops:
    """Asks the engine for stops and waits for their ends beside the passes.

    The engine keeps the time until it kills, so a stop goes on without this process. The
    next one asks again, which changes nothing.
    """

    def __init__(self, *, engine: Engine, grace: timedelta) -> None:
        self._engine = engine
        self._grace = grace
        self._asked: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, container: str) -> None:
        """Ask for a stop, unless one is under way; raise what the engine says at once."""
        task = self._tasks.get(container)
        if task is None:
            if len(self._tasks) >= STOPS_AT_ONCE:
                return
            task = asyncio.create_task(self._engine.stop(container, self._grace))
            self._tasks[container] = task
            self._asked.add(container)
            task.add_done_callback(lambda ended: self._finish(container, ended))
        await asyncio.wait({task}, timeout=_REFUSAL_SECONDS)
        if task.done():
            task.result()

    def message(self, container: str) -> str:
        """Return why a container that was killed was killed, if a stop did it."""
        if container not in self._asked:
            return ""
        return f"It did not end within {self._grace.total_seconds():g} s of SIGTERM."

    def keep_only(self, containers: Collection[str]) -> None:
        """Drop what is about containers that are gone."""
        self._asked.intersection_update(containers)

    async def close(self) -> None:
        """Wait for no end any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finish(self, container: str, task: asyncio.Task[None]) -> None:
        del self._tasks[container]
        if not task.cancelled() and isinstance(task.exception(), ExecutorError):
            logger.warning(
                "a stop failed", container=container, error=str(task.exception())
            )
