"""A Docker engine, and executors on a network of their own that run small scripts."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from kafkaml.schemas.workloads import Workload
from orchestrator.builders.container import ContainerBuilder
from orchestrator.config import Settings
from orchestrator.executors.base import Replica, Run
from orchestrator.executors.docker.engine import Engine
from orchestrator.executors.docker.executor import ABANDONED_AFTER, DockerExecutor
from orchestrator.executors.docker.spares import Spares
from orchestrator.executors.docker.stops import Stops

# It runs what a test says, or else says what it was started for; a spare is told later.
ENTRY = """
import json, os, sys
if "--spare" in sys.argv:
    line = sys.stdin.readline()
    if not line.endswith("\\n"):
        sys.exit(75)
    os.environ.update(json.loads(line)["environment"])
exec(os.environ["SCRIPT"])
"""
DOCKERFILE = f"""
FROM python:3.11-slim
ENV SCRIPT="print('ran', os.environ['KAFKA_ML_WORKLOAD'])"
ENTRYPOINT {json.dumps(["python", "-u", "-c", ENTRY])}
"""
GRACE = timedelta(seconds=4)
PATIENCE_SECONDS = 60


def docker(*arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(
        ["docker", *arguments], input=stdin, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@contextmanager
def built_image() -> Iterator[str]:
    image = f"kafka-ml-test/workload:{uuid4().hex[:12]}"
    docker("build", "--quiet", "--tag", image, "-", stdin=DOCKERFILE.encode())
    yield image
    docker("image", "rm", "--force", image)


@dataclass(frozen=True)
class DockerMachine:
    """A network of its own, and all that runs on it."""

    settings: Settings

    @property
    def builder(self) -> ContainerBuilder:
        return ContainerBuilder(settings=self.settings)

    def containers(self) -> list[str]:
        filters = [f"label={key}={it}" for key, it in self.builder.scope().items()]
        options = [word for each in filters for word in ("--filter", each)]
        return docker("ps", "--all", "--quiet", "--no-trunc", *options).split()

    def inspect(self, container: str) -> dict[str, Any]:
        [found] = json.loads(docker("inspect", container))
        assert isinstance(found, dict)
        return found

    def spares(self) -> list[str]:
        """Return what runs and waits for an attempt."""
        name = f"name=^{self.settings.docker_network}.spare."
        return docker("ps", "--quiet", "--no-trunc", "--filter", name).split()

    @asynccontextmanager
    async def executor(
        self, *, abandoned_after: timedelta = ABANDONED_AFTER
    ) -> AsyncIterator[DockerExecutor]:
        async with Engine.connect() as engine:
            stops = Stops(engine=engine, grace=self.settings.stop_grace)
            try:
                yield DockerExecutor(
                    engine=engine,
                    builder=self.builder,
                    stops=stops,
                    spares=Spares.of(self.settings, engine),
                    abandoned_after=abandoned_after,
                )
            finally:
                await stops.close()

    async def make_unstarted(
        self, workload: Workload, script: str, *, starts: int = 1
    ) -> str:
        """Do what an orchestrator does before it is killed between create and start."""
        run = Run(workload.name, 0, starts)
        config = self.builder.build(workload, {"SCRIPT": script}, run=run, restarts=0)
        async with Engine.connect() as engine:
            made = await engine.create(self.builder.name(run), config)
        assert made is not None
        return made


@contextmanager
def docker_machine(image: str, *, spares: int = 0) -> Iterator[DockerMachine]:
    network = f"kafka-ml-test-{uuid4().hex[:12]}"
    docker("network", "create", network)
    machine = DockerMachine(
        Settings(
            docker_network=network,
            docker_temporary_bytes=16 * 2**20,
            trainer_image=image,
            inferencer_image=image,
            stop_grace=GRACE,
            docker_spares=spares,
        )
    )
    try:
        yield machine
    finally:
        for container in machine.containers():
            docker("rm", "--force", "--volumes", container)
        docker("network", "rm", network)


async def seen(
    executor: DockerExecutor, is_so: Callable[[list[Replica]], bool]
) -> list[Replica]:
    """Wait until what is listed is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so(found := list(await executor.list())):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)
    return found


async def ended(executor: DockerExecutor, starts: int = 1) -> Replica:
    """Wait until the only replica has ended for the `starts`-th time."""
    [replica] = await seen(
        executor, lambda it: not it[0].is_running and it[0].starts == starts
    )
    return replica


async def logged(executor: DockerExecutor, workload: Workload, text: bytes) -> None:
    """Wait until a text is in the log."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while text not in await executor.log(workload.name, 0):
        assert time.monotonic() < deadline, "the script did not get there"
        await asyncio.sleep(0.05)
