"""Containers that wait for an attempt, on an engine with faults."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID

import pytest

from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind
from orchestrator.builders.container import ContainerBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.base import Run
from orchestrator.executors.docker.engine import Engine
from orchestrator.executors.docker.executor import DockerExecutor
from orchestrator.executors.docker.spares import Spares
from orchestrator.executors.docker.stops import Stops

from ..builders import PLATFORM, workload  # noqa: TID252 - tests of one package
from .fake_docker import (
    CALLS_OF_SPARES,
    NO_IMAGE,
    Call,
    FakeContainer,
    FakeDocker,
    Fault,
    fake_docker,
)

FIRST, TRAINING, NEXT = (workload(number=each) for each in (1, 2, 3))
SECRET = {"KAFKA_ML_TOKEN": "kml_secret"}
SETTINGS = Settings(
    stop_grace=timedelta(seconds=0.2), docker_network="net", warm_idle=timedelta(minutes=9)
)
PATIENCE_SECONDS = 20
FAULTS: tuple[Fault, ...] = ("hang", "refuse", "nonsense", "lose the answer", 404, 500)


@pytest.fixture
async def docker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDocker]:
    async with fake_docker() as fake:
        monkeypatch.setenv("DOCKER_HOST", fake.url)
        yield fake


@asynccontextmanager
async def connected(settings: Settings = SETTINGS) -> AsyncIterator[DockerExecutor]:
    async with Engine.connect(call_timeout=timedelta(seconds=2)) as engine:
        stops = Stops(engine=engine, grace=settings.stop_grace)
        spares = Spares.of(settings, engine)
        builder = ContainerBuilder(settings=settings)
        try:
            yield DockerExecutor(engine=engine, builder=builder, stops=stops, spares=spares)
        finally:
            await stops.close()
            await spares.close()


@pytest.fixture
async def executor(docker: FakeDocker) -> AsyncIterator[DockerExecutor]:
    """One that has a spare, for it has started an attempt."""
    async with connected() as made:
        await with_spare(made, docker)
        yield made


async def with_spare(
    executor: DockerExecutor,
    docker: FakeDocker,
    number: int = 1,
    *,
    first: Workload = FIRST,
) -> list[FakeContainer]:
    """Start an attempt without one, and wait for spares."""
    before = set(docker.containers)
    await executor.start(first, 0, SECRET)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := waiting(docker, but=before)) < number:
        assert time.monotonic() < deadline
        await executor.list()
        await asyncio.sleep(0.02)
    return found


def waiting(docker: FakeDocker, *, but: set[str] | None = None) -> list[FakeContainer]:
    return [
        each
        for each in docker.containers.values()
        if ".spare." in each.name
        and each.status == "running"
        and each.id not in (but or set())
    ]


def name_of(workload: Workload) -> str:
    return ContainerBuilder(settings=SETTINGS).name(Run(workload.name, 0, 1))


def container_of(docker: FakeDocker, workload: Workload) -> FakeContainer:
    [found] = [x for x in docker.containers.values() if x.name == name_of(workload)]
    return found


async def told(container: FakeContainer) -> dict[str, str]:
    """Return the variables that a container has from whoever has started it."""
    if container.config.get("OpenStdin"):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not container.inputs:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        environment: dict[str, str] = container.order["environment"]
        return environment
    return dict(each.split("=", 1) for each in container.config["Env"])


async def test_the_next_attempt_is_a_spare_that_has_become_what_a_new_one_would_be(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    [spare] = waiting(docker)
    await executor.start(TRAINING, 0, SECRET)
    assert container_of(docker, TRAINING) is spare
    new = container_of(docker, FIRST)
    assert await told(spare) == await told(new)
    assert spare.order["cpu_seconds"] is None
    ours, theirs = dict(spare.config), dict(new.config)
    for config in (ours, theirs):
        del config["Env"], config["Labels"]
    for name in ("Cmd", "AttachStdin", "OpenStdin", "StdinOnce"):
        del ours[name]
    assert ours == theirs


async def test_a_spare_has_no_secret_but_in_its_order(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    await executor.start(TRAINING, 0, SECRET)
    spare = container_of(docker, TRAINING)
    assert (await told(spare))["KAFKA_ML_TOKEN"] == "kml_secret"
    assert "kml_secret" not in repr(spare.config)
    assert not [each for each in spare.config["Env"] if "KAFKA_ML" in each]


async def test_an_attempt_in_a_spare_is_seen_as_any_other_by_any_orchestrator(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    await executor.start(TRAINING, 0, SECRET)
    async with connected() as other:
        for each in (executor, other):
            replicas = {replica.name: replica for replica in await each.list()}
            assert replicas.keys() == {FIRST.name, TRAINING.name}
            replica = replicas[TRAINING.name]
            assert (replica.run, replica.restarts) == (Run(TRAINING.name, 0, 1), 0)
            assert (replica.phase, replica.platform) == (Phase.RUNNING, PLATFORM)
        await other.start(TRAINING, 0, SECRET)
        assert await other.log(TRAINING.name, 0) == b"ready\n"
        await other.stop(TRAINING.name, 0)
        await other.forget(TRAINING.name, 0)
    assert name_of(TRAINING) not in {each.name for each in docker.containers.values()}


async def test_a_spare_is_used_once_and_another_takes_its_place(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    [first] = waiting(docker)
    await executor.start(TRAINING, 0, SECRET)
    await executor.start(NEXT, 0, SECRET)
    assert "OpenStdin" not in container_of(docker, NEXT).config
    assert await told(first)
    assert first not in await with_spare(executor, docker)


@pytest.mark.parametrize(
    "wanted",
    [
        workload(WorkloadKind.INFERENCE, 5),
        workload(number=5, memory="512Mi"),
        workload(number=5).model_copy(update={"resources": Resources(gpu=1)}),
        workload(number=5).model_copy(update={"platform": UUID(int=5)}),
    ],
    ids=["inference", "little memory", "gpu", "of another database"],
)
async def test_what_cannot_become_the_same_in_a_spare_is_started_without(
    docker: FakeDocker, executor: DockerExecutor, wanted: Workload
) -> None:
    await executor.start(wanted, 0, SECRET)
    assert "OpenStdin" not in container_of(docker, wanted).config
    assert len(waiting(docker)) == 1


@pytest.mark.parametrize("changes", [{"docker_spares": 0}, {"warm_start": False}])
async def test_without_spares_none_are_made(
    docker: FakeDocker, changes: dict[str, object]
) -> None:
    async with connected(SETTINGS.model_copy(update=changes)) as executor:
        await executor.start(FIRST, 0, SECRET)
        for _ in range(3):
            await executor.list()
    assert [each.name for each in docker.containers.values()] == [name_of(FIRST)]


async def test_there_are_as_many_as_wanted(docker: FakeDocker) -> None:
    async with connected(SETTINGS.model_copy(update={"docker_spares": 3})) as executor:
        await with_spare(executor, docker, 3)
        for _ in range(3):
            await executor.list()
        assert len(waiting(docker)) == 3


async def test_two_orchestrators_with_spares_start_each_attempt_once(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    async with connected() as other:
        await with_spare(other, docker, first=workload(number=9))
        wanted = [workload(number=each) for each in range(10, 16)]
        await asyncio.gather(
            *(
                each.start(one, 0, SECRET | {"KAFKA_ML_WORKLOAD": one.name})
                for one, each in itertools.product(wanted, (executor, other))
            )
        )
        for each in wanted:
            container = container_of(docker, each)
            assert (await told(container))["KAFKA_ML_WORKLOAD"] == each.name
    names = [each.name for each in docker.containers.values()]
    assert len(names) == len(set(names))


async def test_spares_end_with_their_orchestrator_and_leave_nothing(
    docker: FakeDocker,
) -> None:
    async with connected() as executor:
        await with_spare(executor, docker)
    assert [each.name for each in docker.containers.values()] == [name_of(FIRST)]


@pytest.mark.usefixtures("executor")
async def test_what_a_killed_orchestrator_left_is_removed_by_the_next(
    docker: FakeDocker,
) -> None:
    [spare] = waiting(docker)
    spare.close_input(b"")
    async with connected() as other:
        await other.list()
    assert spare.id not in docker.containers


@pytest.mark.usefixtures("executor")
@pytest.mark.parametrize("order", [b"", b'{"environment": {"KAFKA'])
async def test_a_spare_that_was_given_a_name_and_no_order_is_no_attempt(
    docker: FakeDocker, order: bytes
) -> None:
    [spare] = waiting(docker)
    spare.name = name_of(TRAINING)  # and then its orchestrator is killed
    spare.close_input(order)
    async with connected() as other:
        assert TRAINING.name not in {each.name for each in await other.list()}
        await other.start(TRAINING, 0, SECRET)
        assert TRAINING.name in {each.name for each in await other.list()}
    assert spare.id not in docker.containers
    assert await told(container_of(docker, TRAINING))


async def test_a_spare_of_an_older_image_is_replaced(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    [older] = waiting(docker)
    older.image = "sha256:0123"  # what the engine says once the name means another one
    assert older not in await with_spare(executor, docker)
    assert older.id not in docker.containers


async def test_a_spare_that_ended_is_not_made_again_at_once(
    docker: FakeDocker, executor: DockerExecutor
) -> None:
    [spare] = waiting(docker)
    spare.status, spare.exit_code = "exited", 1
    for _ in range(3):
        await executor.list()
    assert not waiting(docker)
    await executor.start(TRAINING, 0, SECRET)
    assert container_of(docker, TRAINING).status == "running"


async def test_spares_that_nobody_needs_for_long_are_not_made_again(
    docker: FakeDocker,
) -> None:
    async with connected(
        SETTINGS.model_copy(update={"warm_idle": timedelta(seconds=0.01)})
    ) as executor:
        await executor.start(FIRST, 0, SECRET)
        await asyncio.sleep(0.02)
        for _ in range(3):
            await executor.list()
    assert [each.name for each in docker.containers.values()] == [name_of(FIRST)]


async def test_without_an_image_there_are_no_spares_and_no_error(
    docker: FakeDocker,
) -> None:
    missing = SETTINGS.model_copy(update={"trainer_image": NO_IMAGE})
    async with connected(missing) as executor:
        with pytest.raises(ExecutorError):
            await executor.start(FIRST, 0, SECRET)
        for _ in range(3):
            await executor.list()
    assert not docker.containers


@pytest.mark.parametrize(
    ("call", "fault"),
    [*itertools.product(CALLS_OF_SPARES, FAULTS), ("start", 500), ("create", "hang")],
)
async def test_a_fault_of_a_spare_costs_no_attempt(
    docker: FakeDocker, call: Call, fault: Fault
) -> None:
    async with connected() as executor:
        await executor.start(FIRST, 0, SECRET)
        docker.faults[call] = [fault]
        for _ in range(3):
            await executor.list()
            await asyncio.sleep(0.05)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while TRAINING.name not in {each.name for each in await executor.list()}:
            assert time.monotonic() < deadline
            with suppress(ExecutorError):
                await executor.start(TRAINING, 0, SECRET)
        assert SECRET.items() <= (await told(container_of(docker, TRAINING))).items()
    ran = [each for each in docker.containers.values() if each.status == "running"]
    assert sorted(each.name for each in ran) == [name_of(FIRST), name_of(TRAINING)]
