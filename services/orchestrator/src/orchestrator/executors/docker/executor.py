"""The executor for one Docker engine: each start of a replica is a container."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import Self

import structlog

from kafkaml.schemas.states import ExitCode
from kafkaml.schemas.workloads import Workload
from orchestrator.builders.container import ContainerBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import ExecutorError, StillRunningError, UnknownReplicaError
from orchestrator.executors.base import MAX_LOG_BYTES, Replica, Run
from orchestrator.executors.docker.answers import Listed
from orchestrator.executors.docker.container_reader import Container
from orchestrator.executors.docker.engine import Engine
from orchestrator.executors.docker.spares import Spares, is_spare
from orchestrator.executors.docker.stops import Stops
from orchestrator.executors.log_text import whole_lines
from orchestrator.executors.recovery import restarts_after

LOOKS_AT_ONCE = 8
ABANDONED_AFTER = timedelta(minutes=1)

logger = structlog.stdlib.get_logger(__name__)


class DockerExecutor:
    """Runs each start of a replica in a container with a name of its own.

    The engine gives a name once, so several orchestrators that start the same run make one
    container, and its labels are all that is to be known of it. The container of an earlier
    start goes when the next one runs. One that was made and not started, by an orchestrator
    that was killed in between, is replaced by the next start, and removed after
    `abandoned_after` if there is none. Containers without the labels of this network are
    never touched.

    The first start of a check or a training is one of the `spares`, if there is one. Then
    its name alone says what it is.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        builder: ContainerBuilder,
        stops: Stops,
        spares: Spares,
        abandoned_after: timedelta = ABANDONED_AFTER,
    ) -> None:
        self._engine = engine
        self._builder = builder
        self._stops = stops
        self._spares = spares
        self._abandoned_after = abandoned_after
        self._unstarted_since: dict[str, float] = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls, *, settings: Settings) -> AsyncIterator[Self]:
        """Connect to the engine as `docker` does; what runs is left running at the end."""
        async with Engine.connect() as engine:
            stops = Stops(engine=engine, grace=settings.stop_grace)
            spares = Spares.of(settings, engine)
            builder = ContainerBuilder(settings=settings)
            try:
                yield cls(engine=engine, builder=builder, stops=stops, spares=spares)
            finally:
                await stops.close()
                await spares.close()

    async def list(self) -> Sequence[Replica]:
        listed = await self._engine.list(self._builder.scope())
        await self._spares.look_after(listed)
        containers = await self._read_runs(listed)
        self._stops.keep_only({each.id for each in containers})
        await self._remove_abandoned(
            [each.listed for each in containers] + [x for x in listed if is_spare(x)]
        )
        slots = groupby(sorted(containers, key=_run_of), key=lambda each: each.run[:2])
        last = [_last_of(list(group)) for _, group in slots]
        replicas = await self._read_all([each for each in last if each is not None])
        return [replica for replica in replicas if replica is not None]

    async def start(
        self,
        workload: Workload,
        replica: int,
        environment: Mapping[str, str],
        *,
        starts: int = 0,
    ) -> None:
        containers = await self._find(workload.name, replica)
        if not _is_last_start(containers, starts):
            return
        for each in containers:
            if each.listed.is_unstarted and not await self._engine.remove(each.id):
                return
        run = Run(workload.name, replica, starts + 1)
        if starts == 0 and await self._start_spare(workload, environment, run):
            return
        last = _last_of(containers)
        restarts = restarts_after(None if last is None else await self._read(last))
        config = self._builder.build(workload, environment, run=run, restarts=restarts)
        made = await self._engine.create(self._builder.name(run), config)
        if made is not None:
            await self._start_made(made, run)

    async def stop(self, name: str, replica: int) -> None:
        for each in await self._find(name, replica):
            if each.listed.is_running:
                await self._stops.ask(each.id)

    async def log(self, name: str, replica: int) -> bytes:
        last = _last_of(await self._find(name, replica))
        content = None if last is None else await self._engine.log(last.id)
        if content is None:
            raise UnknownReplicaError(name, replica)
        return whole_lines(content, MAX_LOG_BYTES)

    async def forget(self, name: str, replica: int) -> None:
        for each in await self._find(name, replica):
            if each.listed.is_running or not await self._engine.remove(each.id):
                raise StillRunningError(name, replica)

    async def _start_spare(
        self, workload: Workload, environment: Mapping[str, str], run: Run
    ) -> bool:
        async def is_still_due(made: str) -> bool:
            found = await self._find(run.name, run.replica)
            others = [each for each in found if each.id != made]
            return len(others) < len(found) and _is_last_start(others, run.starts - 1)

        name = self._builder.name(run)
        return await self._spares.start(
            workload, environment, name, is_still_due=is_still_due
        )

    async def _start_made(self, made: str, run: Run) -> None:
        """Start a container that was just made, and remove those of earlier starts."""
        try:
            # Its name cannot be taken any more, so what is seen from now on stays true.
            found = await self._find(run.name, run.replica)
            others = [each for each in found if each.id != made]
            is_due = _is_last_start(others, run.starts - 1)
            has_started = is_due and await self._engine.start(made)
        except ExecutorError:
            await self._try_to_remove([made])
            raise
        if has_started:
            await self._try_to_remove(each.id for each in others if each.listed.was_started)
        else:
            await self._try_to_remove([made])

    async def _find(self, name: str, replica: int) -> Sequence[Container]:
        """Return all containers of a replica."""
        pattern = self._builder.slot_pattern(name, replica)
        listed = await self._engine.list(self._builder.scope(), name=pattern)
        return await self._read_runs(listed)

    async def _read_runs(self, listed: Iterable[Listed]) -> Sequence[Container]:
        """Return those that are, or were to be, a run."""
        found = (Container.from_listed(each) for each in listed)
        return [await self._read_run(each) for each in found if each is not None]

    async def _read_run(self, container: Container) -> Container:
        if not container.may_lack_an_order:
            return container
        seen = await self._engine.inspect(container.id)
        if seen is None or seen.exit_code != ExitCode.NO_ORDER:
            return container
        return replace(container, listed=container.listed.as_unstarted())

    async def _read_all(self, containers: Sequence[Container]) -> Sequence[Replica | None]:
        looks = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def read(container: Container) -> Replica | None:
            async with looks:
                return await self._read(container)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(read(each)) for each in containers]
        except ExceptionGroup as e:
            raise e.exceptions[0] from e
        return [task.result() for task in tasks]

    async def _read(self, container: Container) -> Replica | None:
        """Return what is seen of a container; None if it has gone meanwhile."""
        newest_line_at = 0
        if container.listed.is_running:
            newest_line_at = await self._engine.newest_line_at(container.id)
        seen = await self._engine.inspect(container.id)
        if seen is None:
            return None
        return container.to_replica(
            seen,
            newest_line_at=newest_line_at,
            killed_message=self._stops.message(container.id),
        )

    async def _remove_abandoned(self, listed: Iterable[Listed]) -> None:
        """Remove containers that were made a while ago and never started."""
        now = time.monotonic()
        since = self._unstarted_since
        unstarted = [each.id for each in listed if each.is_unstarted]
        self._unstarted_since = {each: since.get(each, now) for each in unstarted}
        oldest = now - self._abandoned_after.total_seconds()
        await self._try_to_remove(
            each for each, first in self._unstarted_since.items() if first < oldest
        )

    async def _try_to_remove(self, containers: Iterable[str]) -> None:
        """Remove what does no harm if it stays; a later call comes back to it."""
        for container in containers:
            try:
                await self._engine.remove(container)
            except ExecutorError as e:
                logger.warning("a container stays", container=container, error=str(e))


def _run_of(container: Container) -> Run:
    return container.run


def _last_of(containers: Iterable[Container]) -> Container | None:
    """Return the container that stands for its replica: of the last start, or running."""
    started = (each for each in containers if each.listed.was_started)
    return max(
        started, key=lambda each: (each.listed.is_running, each.run.starts), default=None
    )


def _is_last_start(containers: Sequence[Container], starts: int) -> bool:
    """Tell whether the last start was the `starts`-th, and has ended."""
    last = _last_of(containers)
    if last is None:
        return starts == 0
    return not last.listed.is_running and last.run.starts == starts
