"""Spares: trainers' containers that wait for an attempt, with TensorFlow loaded."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from uuid import UUID

import structlog

from kafkaml.schemas.workloads import Workload
from orchestrator.builders.spare import SPARE, SpareBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.docker.answers import Listed
from orchestrator.executors.docker.container_reader import Container
from orchestrator.executors.docker.engine import Engine, Input

RETRY_AFTER = timedelta(minutes=1)

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Spare:
    """A spare that this orchestrator has made: only who holds its input can use it."""

    id: str
    platform: UUID
    input: Input


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of spares, by their ids."""

    ended: Sequence[str]
    outdated: Sequence[str]


def judge(seen: Sequence[Listed], *, held: Collection[str], image: str) -> Verdict:
    """Tell which spares have ended, and which of those that are held are of an older image.

    Those that others hold are theirs, and end with them.
    """
    spares = [each for each in seen if is_spare(each)]
    return Verdict(
        ended=[each.id for each in spares if each.was_started and not each.is_running],
        outdated=[
            each.id
            for each in spares
            if each.is_running and each.id in held and each.image != image
        ],
    )


def is_spare(listed: Listed) -> bool:
    """Tell whether it is one still: as an attempt it has another name."""
    return SPARE in listed.labels and Container.from_listed(listed) is None


class Spares:
    """Keeps spares, from the first attempt that could have used one until they are idle.

    A spare is held by its input, which ends with this process: so it is given away by its
    maker alone and once. No fault of one is more than a start without it.
    """

    def __init__(
        self, *, engine: Engine, builder: SpareBuilder, number: int, idle: timedelta
    ) -> None:
        self._engine = engine
        self._builder = builder
        self._number = number
        self._idle = idle
        self._held: dict[str, Spare] = {}
        self._platform: UUID | None = None
        self._making: asyncio.Task[None] | None = None
        self._use_ends_at = self._rest_ends_at = time.monotonic()

    @classmethod
    def of(cls, settings: Settings, engine: Engine) -> Self:
        return cls(
            engine=engine,
            builder=SpareBuilder(settings=settings),
            number=settings.docker_spares if settings.warm_start else 0,
            idle=settings.warm_idle,
        )

    def _take(self, workload: Workload) -> Spare | None:
        """Return a spare that can become the attempt; None if there is none."""
        if not self._builder.suits(workload):
            return None
        self._platform = workload.platform
        self._use_ends_at = time.monotonic() + self._idle.total_seconds()
        for spare in self._held.values():
            if spare.platform == workload.platform:
                return self._held.pop(spare.id)
        return None

    async def start(
        self,
        workload: Workload,
        environment: Mapping[str, str],
        name: str,
        *,
        is_still_due: Callable[[str], Awaitable[bool]],
    ) -> bool:
        """Let a spare be the container of this name; False if there has to be a new one.

        Somebody may have been faster, which is success. `is_still_due` is asked about the
        spare once it ought to have the name, which nobody else can take then.
        """
        spare = self._take(workload)
        if spare is None:
            return False
        try:
            if not await self._engine.rename(spare.id, name):
                self._held[spare.id] = spare
                return True
            await self._engine.update(spare.id, self._builder.limits(workload))
            if await is_still_due(spare.id):
                await spare.input.write(self._builder.order(workload, environment))
                await spare.input.close()
                return True
        except ExecutorError as e:
            logger.warning("there is no warm start", name=name, reason=str(e))
        except BaseException:
            await spare.input.close()
            raise
        await self._discard(spare)
        return False

    async def look_after(self, seen: Sequence[Listed]) -> None:
        """Remove what is of no use, and have made what is missing."""
        verdict = judge(seen, held=self._held, image=self._builder.image)
        for each in verdict.ended:
            if spare := self._held.pop(each, None):
                await spare.input.close()
                self._rest()  # it may be that none can live
            with suppress(ExecutorError):
                await self._engine.remove(each)
        for each in verdict.outdated:
            if spare := self._held.pop(each, None):  # it may be in use by now
                await self._discard(spare)
        self._have_made()

    async def close(self) -> None:
        """Give up all that are held."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait({self._making})
        held, self._held = list(self._held.values()), {}
        await asyncio.gather(*(self._discard(each) for each in held))

    def _have_made(self) -> None:
        now = time.monotonic()
        is_due = self._rest_ends_at <= now < self._use_ends_at
        is_busy = self._making is not None and not self._making.done()
        if is_due and not is_busy and self._missing:
            self._making = asyncio.create_task(self._make_missing())

    @property
    def _missing(self) -> bool:
        return len(self._held) < self._number

    async def _make_missing(self) -> None:
        try:
            while self._missing and self._platform is not None:
                if not await self._make(self._platform):
                    return
        except ExecutorError as e:
            logger.warning("there are no spares", error=str(e))
            self._rest()

    async def _make(self, platform: UUID) -> bool:
        """Make one and hold it; False if somebody has removed it meanwhile."""
        config = self._builder.build(platform)
        made = await self._engine.create(self._builder.name(), config)
        if made is None:
            return False
        try:
            spare = Spare(made, platform, await self._engine.open_input(made))
        except BaseException:
            await self._try_to_discard(made)
            raise
        has_started = False
        try:
            has_started = await self._engine.start(made)
        finally:
            if not has_started:
                await self._discard(spare)
        if has_started:
            self._held[made] = spare
        return has_started

    async def _discard(self, spare: Spare) -> None:
        """Remove a spare, or what was one; if that fails, it still ends by itself."""
        await spare.input.close()
        await self._try_to_discard(spare.id)

    async def _try_to_discard(self, container: str) -> None:
        with suppress(ExecutorError):
            await self._engine.discard(container)

    def _rest(self) -> None:
        self._rest_ends_at = time.monotonic() + RETRY_AFTER.total_seconds()
