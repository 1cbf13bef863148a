"""Removes checkpoints that no training refers to any more."""

import asyncio
from collections.abc import Collection
from datetime import timedelta

import structlog

from api.exceptions import ApiError
from api.services.workload_names import CHECKPOINTS, checkpoint_of_key
from api.storage.artifacts import ArtifactStore
from api.storage.unit_of_work import UnitsOfWork
from api.tables.base import utc_now
from kafkaml.backoff import is_set_within

INTERVAL = timedelta(minutes=5)
# A file that was just stored is not referred to yet.
GRACE = timedelta(minutes=5)
KEYS_AT_ONCE = 1000

logger = structlog.get_logger(__name__)


class CheckpointSweeper:
    """Looks through the store from time to time.

    Trainings finish, fail and are deleted in transactions of the database, which know
    nothing of files: what they no longer name is found here, whatever died in between.
    """

    def __init__(self, *, units: UnitsOfWork, store: ArtifactStore) -> None:
        self._units = units
        self._store = store
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sweep now and then, from now on."""
        self._task = asyncio.create_task(self._run(), name="checkpoint sweeper")

    async def stop(self) -> None:
        """End after the removal that is under way."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def sweep(self, *, grace: timedelta = GRACE) -> int:
        """Remove the checkpoints that are needed no more; return how many there were."""
        limit = utc_now() - grace
        keys = [
            each.key
            async for each in self._store.list(CHECKPOINTS)
            if each.stored_at <= limit
        ]
        removed = 0
        for start in range(0, len(keys), KEYS_AT_ONCE):
            removed += await self._remove_unneeded(keys[start : start + KEYS_AT_ONCE])
        return removed

    async def _remove_unneeded(self, keys: Collection[str]) -> int:
        known = {key: found for key in keys if (found := checkpoint_of_key(key))}
        async with self._units.begin() as work:
            needed = await work.trainings.checkpoints({one for one, _ in known.values()})
        unneeded = [key for key, found in known.items() if found not in needed]
        for number, key in enumerate(unneeded):
            if self._stopping.is_set():
                return number
            await self._store.delete(key)
        return len(unneeded)

    async def _run(self) -> None:
        while not await is_set_within(self._stopping, INTERVAL.total_seconds()):
            try:
                if removed := await self.sweep():
                    logger.info("checkpoints removed", count=removed)
            except ApiError as e:
                logger.warning("checkpoints could not be swept", error=str(e))
