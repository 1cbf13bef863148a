"""Containers that wait for an attempt, on a real engine."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from kafkaml.schemas.workloads import Phase, Workload
from orchestrator.builders.spare import SpareBuilder
from orchestrator.executors.base import Run
from orchestrator.executors.docker.engine import Engine
from orchestrator.executors.docker.executor import DockerExecutor

from ..builders import PLATFORM, workload  # noqa: TID252 - tests of one package
from .docker_machine import (
    PATIENCE_SECONDS,
    DockerMachine,
    built_image,
    docker,
    docker_machine,
    logged,
    seen,
)

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

FIRST, TRAINING = workload(number=1), workload(number=2)
END = "print('ended')"
SLEEP = "import time; print('ready'); time.sleep(60)"


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with built_image() as built:
        yield built


@pytest.fixture
def machine(image: str) -> Iterator[DockerMachine]:
    with docker_machine(image, spares=1) as made:
        yield made


@pytest.fixture
async def executor(machine: DockerMachine) -> AsyncIterator[DockerExecutor]:
    """One that has a spare, for it has started an attempt."""
    async with DockerExecutor.connect(settings=machine.settings) as connected:
        await with_spare(connected, machine, FIRST)
        yield connected


async def with_spare(
    executor: DockerExecutor, machine: DockerMachine, first: Workload
) -> str:
    """Start an attempt, and wait for a spare that this executor has made."""
    before = set(machine.spares())
    await executor.start(first, 0, {"SCRIPT": END})

    def made() -> set[str]:
        return set(machine.spares()) - before

    await eventually(executor, lambda: bool(made()))
    [spare] = made()
    return spare


async def eventually(executor: DockerExecutor, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        await executor.list()
        await asyncio.sleep(0.1)


def name_of(machine: DockerMachine, wanted: Workload) -> str:
    return machine.builder.name(Run(wanted.name, 0, 1))


async def test_the_next_attempt_runs_in_the_spare_within_its_own_limits(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    [spare] = machine.spares()
    wanted = workload(number=2, memory="1536Mi")
    token = {"KAFKA_ML_TOKEN": "kml_secret"}
    script = (
        "print(os.environ['KAFKA_ML_TOKEN'])\nprint(sys.stdin.read())\nraise SystemExit(4)"
    )
    await executor.start(wanted, 0, token | {"SCRIPT": script})
    await seen(executor, lambda it: not any(each.is_running for each in it))
    async with DockerExecutor.connect(settings=machine.settings) as other:
        [_, replica] = await other.list()
        assert (replica.run, replica.platform) == (Run(wanted.name, 0, 1), PLATFORM)
        assert replica.exit_code == 4
        assert await other.log(wanted.name, 0) == b"kml_secret\n\n"
        found = machine.inspect(name_of(machine, wanted))
        assert found["Id"] == spare
        assert found["HostConfig"]["Memory"] == 1536 * 2**20
        assert found["HostConfig"]["MemorySwap"] == 1536 * 2**20
        assert found["HostConfig"]["NanoCpus"] == 10**9
        assert found["HostConfig"]["CpuShares"] == 1024
        assert "kml_secret" not in json.dumps(found)
        await other.forget(wanted.name, 0)
    assert spare not in machine.containers()


async def test_two_orchestrators_start_each_attempt_once_each_with_its_own_spare(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    async with DockerExecutor.connect(settings=machine.settings) as other:
        await with_spare(other, machine, workload(number=3))
        wanted = [workload(number=each) for each in (10, 11, 12)]
        script = f"print('I am', os.environ['NAME']); {SLEEP}"
        await asyncio.gather(
            *(
                each.start(one, 0, {"SCRIPT": script, "NAME": one.name})
                for one in wanted
                for each in (executor, other)
            )
        )
        for one in wanted:
            await logged(executor, one, f"I am {one.name}\n".encode())
        waiting = set(machine.spares())
    assert len(set(machine.containers()) - waiting) == 2 + len(wanted)


async def test_a_spare_ends_with_the_orchestrator_that_was_killed(
    machine: DockerMachine,
) -> None:
    script = """
import asyncio, sys
from kafkaml.schemas.workloads import Workload
from orchestrator.config import Settings
from orchestrator.executors.docker.executor import DockerExecutor

async def main():
    settings = Settings.model_validate_json(sys.argv[1])
    async with DockerExecutor.connect(settings=settings) as executor:
        await executor.start(Workload.model_validate_json(sys.argv[2]), 0, {"SCRIPT": ""})
        while True:
            await executor.list()
            await asyncio.sleep(0.1)

asyncio.run(main())
"""
    arguments = [machine.settings.model_dump_json(), FIRST.model_dump_json()]
    orchestrator = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments
    )
    async with DockerExecutor.connect(settings=machine.settings) as next_one:
        await eventually(next_one, lambda: bool(machine.spares()))
        orchestrator.send_signal(signal.SIGKILL)
        await orchestrator.wait()
        await eventually(next_one, lambda: len(machine.containers()) == 1)
        [replica] = await next_one.list()
        assert replica.name == FIRST.name


async def test_a_spare_with_a_name_and_no_order_is_no_attempt(
    machine: DockerMachine,
) -> None:
    """That is what an orchestrator leaves that is killed before it gives the order."""
    builder = SpareBuilder(settings=machine.settings)
    async with Engine.connect() as engine:
        made = await engine.create(builder.name(), builder.build(PLATFORM))
        assert made is not None
        held = await engine.open_input(made)
        assert await engine.start(made)
        assert await engine.rename(made, name_of(machine, TRAINING))
        await held.write(b'{"environment": {"SCR')
        await held.close()
    async with DockerExecutor.connect(settings=machine.settings) as executor:
        await seen(executor, lambda it: not it)
        await executor.start(TRAINING, 0, {"SCRIPT": SLEEP})
        await logged(executor, TRAINING, b"ready")
        [replica] = await executor.list()
        assert (replica.phase, replica.starts) == (Phase.RUNNING, 1)
    assert made not in machine.containers()


async def test_a_spare_of_an_image_that_was_built_anew_is_replaced(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    [older] = machine.spares()
    dockerfile = f"FROM {machine.settings.trainer_image}\nENV NEW=1\n"
    name = machine.settings.trainer_image
    docker("build", "--quiet", "--tag", name, "-", stdin=dockerfile.encode())
    await eventually(executor, lambda: machine.spares() not in ([], [older]))
    assert older not in machine.containers()
