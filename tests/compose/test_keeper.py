import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from orchestrator.executors.docker.engine import Engine
from orchestrator.keeper import Keeper

from .project import docker

pytestmark = pytest.mark.docker

GRACE = timedelta(seconds=2)
KEY = "kafka-ml-test"


class Machine:
    """Containers that bear a mark of their own."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def labels(self, role: str) -> dict[str, str]:
        return {KEY: self.mark, f"{KEY}-role": role}

    def start(self, role: str, command: str = "exec sleep 600") -> None:
        labels = [f"--label={name}={it}" for name, it in self.labels(role).items()]
        options = ["--detach", "--init", "--network=none", *labels]
        docker("run", *options, "python:3.11-slim", "sh", "-c", command)

    def containers(self, role: str | None = None) -> list[str]:
        labels = {KEY: self.mark} if role is None else self.labels(role)
        filters = [f"--filter=label={name}={it}" for name, it in labels.items()]
        return docker("ps", "--all", "--quiet", *filters).split()

    async def leave(self) -> int:
        async with Engine.connect() as engine:
            return await Keeper(
                engine=engine,
                workloads=self.labels("workload"),
                orchestrator=self.labels("orchestrator"),
                grace=GRACE,
            ).leave()


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine(uuid4().hex)
    try:
        yield made
    finally:
        if left := made.containers():
            docker("rm", "--force", *left)


async def test_workloads_end_with_the_platform(machine: Machine) -> None:
    machine.start("workload")
    machine.start("workload")
    machine.start("workload", "exit 3")
    machine.start("somebody's")
    assert await machine.leave() == 3
    assert machine.containers("workload") == []
    assert len(machine.containers("somebody's")) == 1


async def test_workloads_outlive_a_keeper_that_is_made_anew(machine: Machine) -> None:
    machine.start("workload")
    machine.start("orchestrator")
    assert await machine.leave() == 0
    assert len(machine.containers("workload")) == 1


async def test_an_orchestrator_that_has_ended_keeps_nothing(machine: Machine) -> None:
    machine.start("workload")
    machine.start("orchestrator")
    docker("stop", *machine.containers("orchestrator"))
    assert await machine.leave() == 1


async def test_nobody_holds_the_platform_up(machine: Machine) -> None:
    machine.start("workload", "trap '' TERM; while :; do sleep 1; done")
    began = time.monotonic()
    assert await machine.leave() == 1
    assert machine.containers() == []
    assert time.monotonic() - began < GRACE.total_seconds() + 15
