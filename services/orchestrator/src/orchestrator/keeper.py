"""Ends the containers of workloads when the platform is taken down.

Docker compose stops what its file names, and nothing else. The keeper is named there, to
be stopped after the orchestrator: then it ends what that one has started. As long as an
orchestrator runs, as when all is made anew from newer images, workloads are left alone.
"""

import asyncio
import sys
from collections.abc import Mapping
from datetime import timedelta

import structlog
from pydantic import Field

from kafkaml.logging import configure_logging
from kafkaml.signals import stop_on_signals
from orchestrator.builders.container import ContainerBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.docker.engine import Engine

logger = structlog.stdlib.get_logger(__name__)


class KeeperSettings(Settings):
    """What the keeper is told besides what the orchestrator is."""

    orchestrator_labels: dict[str, str] = Field(
        min_length=1, description="of the orchestrator's container; a JSON object"
    )


class Keeper:
    """Ends containers with the labels `workloads` if none with `orchestrator` runs."""

    def __init__(
        self,
        *,
        engine: Engine,
        workloads: Mapping[str, str],
        orchestrator: Mapping[str, str],
        grace: timedelta,
    ) -> None:
        self._engine = engine
        self._workloads = workloads
        self._orchestrator = orchestrator
        self._grace = grace

    async def leave(self) -> int:
        """End and remove all workloads, and return their number; raise ExecutorError."""
        if await self._is_orchestrated():
            return 0
        containers = await self._engine.list(self._workloads)
        async with asyncio.TaskGroup() as group:
            for each in containers:
                group.create_task(self._end(each.id))
        return len(containers)

    async def _is_orchestrated(self) -> bool:
        for each in await self._engine.list(self._orchestrator):
            # What the list says of its state may be a moment old.
            seen = await self._engine.inspect(each.id)
            if seen is not None and seen.is_running:
                return True
        return False

    async def _end(self, container: str) -> None:
        await self._engine.stop(container, self._grace)
        await self._engine.remove(container)


async def run(settings: KeeperSettings) -> None:
    """Wait to be stopped, then end what nobody looks after any more."""
    stop = asyncio.Event()
    stop_on_signals(stop.set)
    async with Engine.connect() as engine:
        keeper = Keeper(
            engine=engine,
            workloads=ContainerBuilder(settings=settings).scope(),
            orchestrator=settings.orchestrator_labels,
            grace=settings.stop_grace,
        )
        await stop.wait()
        logger.info("workloads ended", count=await keeper.leave())


def main() -> None:
    """Run with the settings of the environment."""
    settings = KeeperSettings()
    configure_logging(settings)
    try:
        asyncio.run(run(settings))
    except* ExecutorError as group:
        sys.exit("; ".join(str(error) for error in group.exceptions))


if __name__ == "__main__":
    main()
