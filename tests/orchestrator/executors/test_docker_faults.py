import asyncio
import gc
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from kafkaml.schemas.workloads import Phase
from orchestrator.builders.container import ContainerBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import (
    ExecutorError,
    StartRefusedError,
    StillRunningError,
    UnknownReplicaError,
)
from orchestrator.executors.base import Replica
from orchestrator.executors.docker.engine import Engine
from orchestrator.executors.docker.executor import DockerExecutor
from orchestrator.executors.docker.spares import Spares
from orchestrator.executors.docker.stops import STOPS_AT_ONCE, Stops

from ..builders import workload  # noqa: TID252 - tests of one package
from .fake_docker import CALLS, NO_IMAGE, Call, FakeDocker, Fault, fake_docker

TRAINING = workload()
SETTINGS = Settings(stop_grace=timedelta(seconds=0.2), docker_spares=0)
CALL_TIMEOUT = timedelta(seconds=0.3)
FAULTS: tuple[Fault, ...] = (
    "hang",
    "refuse",
    "nonsense",
    "break off",
    "lose the answer",
    404,
    409,
    500,
    503,
)


@pytest.fixture
async def docker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDocker]:
    async with fake_docker() as fake:
        monkeypatch.setenv("DOCKER_HOST", fake.url)
        yield fake


@asynccontextmanager
async def connected(settings: Settings = SETTINGS) -> AsyncIterator[DockerExecutor]:
    async with Engine.connect(call_timeout=CALL_TIMEOUT) as engine:
        stops = Stops(engine=engine, grace=settings.stop_grace)
        try:
            builder = ContainerBuilder(settings=settings)
            yield DockerExecutor(
                engine=engine,
                builder=builder,
                stops=stops,
                spares=Spares.of(settings, engine),
            )
        finally:
            await stops.close()


@pytest.fixture
async def executor(docker: FakeDocker) -> AsyncIterator[DockerExecutor]:
    assert docker.url
    async with connected() as made:
        yield made


async def run_through(executor: DockerExecutor, docker: FakeDocker) -> None:
    """Do all that is ever done with a replica until it is gone, whatever fails."""

    async def attempt_all() -> None:
        steps: list[Callable[[], Awaitable[object]]] = [
            lambda: executor.start(TRAINING, 0, {}),
            executor.list,
            lambda: executor.log(TRAINING.name, 0),
            lambda: executor.stop(TRAINING.name, 0),
            lambda: executor.forget(TRAINING.name, 0),
        ]
        for step in steps:
            with suppress(ExecutorError):
                await step()

    await attempt_all()
    docker.faults.clear()
    deadline = time.monotonic() + 5
    while docker.containers:
        assert time.monotonic() < deadline, "something stays"
        await attempt_all()


EVERY_FAULT_OF_EVERY_CALL = [
    pytest.param(
        call,
        fault,
        # aiodocker leaves the connection of a log that breaks off to the collector.
        marks=pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
        if (call, fault) == ("log", "break off")
        else (),
    )
    for call, fault in itertools.product(CALLS, FAULTS)
]


@pytest.mark.parametrize(("call", "fault"), EVERY_FAULT_OF_EVERY_CALL)
async def test_every_fault_of_every_call_is_an_executor_error_and_leaves_nothing(
    docker: FakeDocker, executor: DockerExecutor, call: Call, fault: Fault
) -> None:
    docker.faults[call] = [fault]
    await run_through(executor, docker)
    assert call in docker.calls
    if (call, fault) == ("log", "break off"):
        gc.collect()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", ["list", "inspect", "create", "start", "remove"])
async def test_a_start_that_met_a_fault_is_made_good_by_the_next(
    docker: FakeDocker, executor: DockerExecutor, call: Call, fault: Fault
) -> None:
    await executor.start(TRAINING, 0, {})
    docker.end(5)
    docker.faults[call] = [fault]
    with suppress(ExecutorError):
        await executor.start(TRAINING, 0, {}, starts=1)
    for replica in await executor.list() or [Replica(TRAINING.name, 0, Phase.EXITED, 0)]:
        await executor.start(TRAINING, 0, {}, starts=replica.starts)
    assert [each.phase for each in await executor.list()] == [Phase.RUNNING]
    assert [each.status for each in docker.containers.values()].count("running") == 1


async def test_an_engine_that_is_away_is_an_error_of_each_call_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with fake_docker() as docker:
        monkeypatch.setenv("DOCKER_HOST", docker.url)
        path = docker.url.removeprefix("unix://")
        async with connected() as executor:
            await asyncio.to_thread(os.replace, path, f"{path}.away")
            with pytest.raises(ExecutorError, match="Cannot connect to Docker Engine"):
                await executor.list()
            await asyncio.to_thread(os.replace, f"{path}.away", path)
            assert not await executor.list()


async def test_where_there_is_no_engine_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "/no/scheme")
    with pytest.raises(ExecutorError, match="DOCKER_HOST"):
        async with DockerExecutor.connect(settings=SETTINGS):
            pass


async def test_a_missing_image_is_refused_for_good(docker: FakeDocker) -> None:
    settings = SETTINGS.model_copy(update={"trainer_image": NO_IMAGE})
    async with connected(settings) as executor:
        with pytest.raises(StartRefusedError, match=NO_IMAGE) as e:
            await executor.start(TRAINING, 0, {})
    assert e.value.reason == "image"
    assert "start" not in docker.calls


async def test_a_start_that_fails_leaves_no_container(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    docker.faults["start"] = [500]
    with pytest.raises(ExecutorError, match="made up"):
        await executor.start(TRAINING, 0, {})
    assert not docker.containers


@pytest.mark.parametrize("fault", ["vanish", "removing"])
async def test_a_container_that_another_takes_away_before_its_start_is_no_error(
    docker: FakeDocker, executor: DockerExecutor, fault: Fault
) -> None:
    docker.faults["start"] = [fault]
    await executor.start(TRAINING, 0, {})
    assert not await executor.list()


@pytest.mark.parametrize("call", ["inspect", "log"])
async def test_a_container_that_is_taken_away_while_it_is_looked_at_is_not_there(
    docker: FakeDocker, executor: DockerExecutor, call: Call
) -> None:
    await executor.start(TRAINING, 0, {})
    docker.faults[call] = ["vanish"]
    assert not await executor.list()


async def test_what_is_being_removed_is_not_there(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    await executor.start(TRAINING, 0, {})
    docker.only.status = "removing"
    assert not await executor.list()
    with pytest.raises(UnknownReplicaError):
        await executor.log(TRAINING.name, 0)


async def test_what_was_started_meanwhile_is_not_forgotten(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    await executor.start(TRAINING, 0, {})
    docker.end(0)
    docker.faults["remove"] = [409]
    with pytest.raises(StillRunningError):
        await executor.forget(TRAINING.name, 0)
    assert docker.containers


async def test_a_stop_that_fails_later_is_asked_for_again(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    await executor.start(TRAINING, 0, {})
    docker.faults["stop"] = ["hang", 500]
    for _ in range(3):
        with suppress(ExecutorError):
            await executor.stop(TRAINING.name, 0)
    with pytest.raises(ExecutorError, match="made up"):
        await executor.stop(TRAINING.name, 0)
    await executor.stop(TRAINING.name, 0)
    assert docker.only.status == "exited"


async def test_stops_under_way_are_bounded_and_keep_nobody_waiting(
    docker: FakeDocker,
) -> None:
    number = STOPS_AT_ONCE + 5
    settings = SETTINGS.model_copy(update={"stop_grace": timedelta(seconds=30)})
    docker.faults["stop"] = ["hang"] * number
    async with connected(settings) as executor:
        for each in range(1, number + 1):
            await executor.start(workload(number=each), 0, {})
        names = [each.name for each in await executor.list()]
        begin = time.monotonic()
        await asyncio.gather(*(executor.stop(name, 0) for name in names))
        assert docker.calls.count("stop") == STOPS_AT_ONCE
        assert len(await executor.list()) == number
        assert time.monotonic() - begin < 5
