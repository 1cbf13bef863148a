import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.workloads import Phase, WorkloadKind
from orchestrator.builders.container import LOG_FILE_BYTES
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import (
    ExecutorError,
    StartRefusedError,
    StillRunningError,
    UnknownReplicaError,
)
from orchestrator.executors.base import MAX_LOG_BYTES
from orchestrator.executors.docker.executor import DockerExecutor
from orchestrator.metrics import Metrics
from orchestrator.reconcile import Reconciler
from orchestrator.testing import FakeTopics, FakeWorkloadsApi

from ..builders import PLATFORM, workload  # noqa: TID252 - tests of one package
from .docker_machine import (
    GRACE,
    PATIENCE_SECONDS,
    DockerMachine,
    built_image,
    docker,
    docker_machine,
    ended,
    logged,
    seen,
)

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

TRAINING = workload()
GRACE_SECONDS = GRACE.total_seconds()
SLEEP = "import time; print('ready'); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
POLITE = (
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); " + SLEEP
)


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    with built_image() as built:
        yield built


@pytest.fixture
def machine(image: str) -> Iterator[DockerMachine]:
    with docker_machine(image) as made:
        yield made


@pytest.fixture
async def executor(machine: DockerMachine) -> AsyncIterator[DockerExecutor]:
    async with DockerExecutor.connect(settings=machine.settings) as connected:
        yield connected


async def start(executor: DockerExecutor, script: str, *, starts: int = 0) -> None:
    await executor.start(TRAINING, 0, {"SCRIPT": script}, starts=starts)


@pytest.mark.parametrize(
    ("script", "exit_code"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit(143)", 143),
        ("import ctypes; ctypes.string_at(0)", 139),
        ("import os; os._exit(255)", 255),
    ],
)
async def test_the_exit_code_is_kept(
    executor: DockerExecutor, script: str, exit_code: int
) -> None:
    await start(executor, script)
    replica = await ended(executor)
    assert (replica.exit_code, replica.reason, replica.starts) == (exit_code, None, 1)
    assert replica.platform == PLATFORM
    assert replica.started_at is not None
    assert replica.exited_at is not None
    assert replica.started_at <= replica.exited_at


async def test_replicas_of_a_workload_are_told_apart(executor: DockerExecutor) -> None:
    inference = workload(WorkloadKind.INFERENCE, replicas=2)
    for number in range(2):
        script = f"print('I am {number}'); raise SystemExit({number})"
        await executor.start(inference, number, {"SCRIPT": script})
    replicas = await seen(executor, lambda it: not any(each.is_running for each in it))
    assert [(each.replica, each.exit_code) for each in replicas] == [(0, 0), (1, 1)]
    assert await executor.log(inference.name, 1) == b"I am 1\n"


async def test_a_new_executor_finds_what_runs_and_does_not_start_it_again(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    await start(executor, SLEEP)
    await logged(executor, TRAINING, b"ready")
    async with DockerExecutor.connect(settings=machine.settings) as other:
        before = await other.list()
        await start(other, SLEEP)
        assert await other.list() == before
    assert [each.phase for each in before] == [Phase.RUNNING]
    assert len(machine.containers()) == 1


async def test_concurrent_starts_make_one_container(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    async with DockerExecutor.connect(settings=machine.settings) as other:
        await asyncio.gather(
            *(start(each, SLEEP) for each in (executor, other) for _ in range(4))
        )
        for each in (executor, other):
            assert [it.starts for it in await each.list()] == [1]
    assert len(machine.containers()) == 1


async def test_who_has_not_seen_the_end_cannot_start_again(
    executor: DockerExecutor,
) -> None:
    await start(executor, "print('run')")
    await ended(executor)
    await start(executor, "print('again')", starts=0)
    await start(executor, "print('again')", starts=2)
    replica = await ended(executor)
    assert (replica.starts, replica.restarts) == (1, 0)


async def test_the_next_start_counts_and_replaces_the_container(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    for starts in range(3):
        await start(executor, f"print('run {starts}')", starts=starts)
        replica = await ended(executor, starts + 1)
        assert (replica.starts, replica.restarts) == (starts + 1, starts)
        assert await executor.log(TRAINING.name, 0) == f"run {starts}\n".encode()
        assert len(machine.containers()) == 1


async def test_two_orchestrators_that_saw_the_end_start_again_once(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    await start(executor, "")
    await ended(executor)
    async with DockerExecutor.connect(settings=machine.settings) as other:
        await asyncio.gather(
            *(start(each, SLEEP, starts=1) for each in (executor, other) for _ in range(3))
        )
    [replica] = await executor.list()
    assert (replica.phase, replica.starts, replica.restarts) == (Phase.RUNNING, 2, 1)
    assert len(machine.containers()) == 1


async def test_a_container_that_was_never_started_is_not_there_and_is_replaced(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    made = await machine.make_unstarted(TRAINING, "print('of the killed')")
    assert not await executor.list()
    await start(executor, "print('of the next')")
    assert (await ended(executor)).starts == 1
    assert await executor.log(TRAINING.name, 0) == b"of the next\n"
    assert made not in machine.containers()


async def test_a_restart_that_was_never_started_is_made_again(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    await start(executor, "raise SystemExit(5)")
    await ended(executor)
    await machine.make_unstarted(TRAINING, "", starts=2)
    [replica] = await executor.list()
    assert (replica.starts, replica.exit_code) == (1, 5)
    await start(executor, "raise SystemExit(6)", starts=1)
    replica = await ended(executor, starts=2)
    assert (replica.restarts, replica.exit_code) == (1, 6)
    assert len(machine.containers()) == 1


async def test_a_container_that_nobody_starts_is_removed_after_a_while(
    machine: DockerMachine,
) -> None:
    made = await machine.make_unstarted(TRAINING, "")
    async with machine.executor(abandoned_after=timedelta(seconds=1)) as executor:
        await executor.list()
        assert machine.containers() == [made]
        await asyncio.sleep(1.1)
        await executor.list()
    assert not machine.containers()


async def test_too_much_memory_ends_with_a_reason(executor: DockerExecutor) -> None:
    script = "import time; data = b'x' * 100_000_000; time.sleep(60)"
    await executor.start(workload(memory="64Mi"), 0, {"SCRIPT": script})
    replica = await ended(executor)
    assert (replica.exit_code, replica.reason) == (137, FailureReason.OOM)
    assert "The limit is 64 MiB" in replica.message


async def test_what_it_says_itself_counts_more_than_a_child_that_was_killed(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    script = """
import subprocess, sys
child = [sys.executable, "-c", "data = b'x' * 100_000_000"]
raise SystemExit(3 if subprocess.run(child).returncode == -9 else 1)
"""
    await executor.start(workload(memory="64Mi"), 0, {"SCRIPT": script})
    replica = await ended(executor)
    assert (replica.exit_code, replica.reason) == (3, None)
    [container] = machine.containers()
    assert machine.inspect(container)["State"]["OOMKilled"]


async def test_code_that_computes_for_ever_is_ended(executor: DockerExecutor) -> None:
    script = """
import signal, subprocess, sys
code = subprocess.run([sys.executable, "-c", "while True: pass"]).returncode
print(signal.Signals(-code).name)
"""
    await executor.start(workload(cpu_seconds=1), 0, {"SCRIPT": script})
    await ended(executor)
    assert await executor.log(TRAINING.name, 0) == b"SIGXCPU\n"


async def test_stop_lets_it_end_by_itself(executor: DockerExecutor) -> None:
    await start(executor, POLITE)
    await logged(executor, TRAINING, b"ready")
    await executor.stop(TRAINING.name, 0)
    await executor.stop(TRAINING.name, 0)
    assert (await ended(executor)).exit_code == 143
    await executor.stop(TRAINING.name, 0)


async def test_stop_kills_what_does_not_end_and_keeps_nobody_waiting(
    executor: DockerExecutor,
) -> None:
    await start(executor, STUBBORN)
    await logged(executor, TRAINING, b"ready")
    begin = time.monotonic()
    await executor.stop(TRAINING.name, 0)
    await executor.stop(TRAINING.name, 0)
    assert time.monotonic() - begin < GRACE_SECONDS
    replica = await ended(executor)
    assert time.monotonic() - begin >= GRACE_SECONDS
    assert (replica.exit_code, replica.reason) == (137, None)
    assert "within 4 s of SIGTERM" in replica.message


async def test_a_stop_goes_on_after_the_death_of_the_orchestrator(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    await start(executor, STUBBORN)
    await logged(executor, TRAINING, b"ready")
    script = """
import asyncio, sys
from orchestrator.config import Settings
from orchestrator.executors.docker.executor import DockerExecutor

async def main():
    settings = Settings.model_validate_json(sys.argv[1])
    async with DockerExecutor.connect(settings=settings) as executor:
        await executor.stop(sys.argv[2], 0)
        print("asked", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
    arguments = [machine.settings.model_dump_json(), TRAINING.name]
    orchestrator = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert orchestrator.stdout is not None
    assert await orchestrator.stdout.readline() == b"asked\n"
    orchestrator.send_signal(signal.SIGKILL)
    await orchestrator.wait()
    assert [each.phase for each in await executor.list()] == [Phase.RUNNING]
    assert (await ended(executor)).exit_code == 137


async def test_a_log_has_both_streams_and_its_revision_grows_with_it(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    script = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR1})
print("one")
signal.sigwait({signal.SIGHUP})
print("two", file=sys.stderr)
signal.sigwait({signal.SIGUSR1})
"""
    await start(executor, script)
    await logged(executor, TRAINING, b"one\n")
    [first] = await executor.list()
    assert await executor.list() == [first]
    [container] = machine.containers()
    docker("kill", "--signal", "HUP", container)
    await logged(executor, TRAINING, b"one\ntwo\n")
    [second] = await executor.list()
    assert second == replace(first, log_revision=second.log_revision)
    assert second.log_revision > first.log_revision > 0
    docker("kill", "--signal", "USR1", container)
    await ended(executor)
    assert await executor.list() == await executor.list()


async def test_a_log_that_says_nothing_is_empty(executor: DockerExecutor) -> None:
    await start(executor, "import time; time.sleep(60)")
    assert [each.log_revision for each in await executor.list()] == [0]
    assert await executor.log(TRAINING.name, 0) == b""


async def test_a_log_keeps_its_newest_part_and_a_bound(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    script = f"""
print("first")
for number in range({LOG_FILE_BYTES // 500}):
    print(f"{{number:06}} ä " + "x" * 2000)
print("the end")
"""
    await start(executor, script)
    await ended(executor)
    log = await executor.log(TRAINING.name, 0)
    lines = log.decode().splitlines()
    assert MAX_LOG_BYTES - 5000 < len(log) <= MAX_LOG_BYTES
    assert lines[-1] == "the end"
    assert {len(line) for line in lines[:-1]} == {2009}
    [container] = machine.containers()
    assert b"first" not in docker("logs", container).encode()


async def test_a_log_is_text(executor: DockerExecutor) -> None:
    script = "import os; os.write(1, b'\\xff\\x00 \\xc3\\xa4\\n')"
    await start(executor, script)
    await ended(executor)
    content = await executor.log(TRAINING.name, 0)
    assert "ä" in content.decode()
    assert b"\x00" not in content


async def test_what_has_ended_can_be_forgotten_and_what_runs_cannot(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    await start(executor, POLITE)
    await logged(executor, TRAINING, b"ready")
    with pytest.raises(StillRunningError):
        await executor.forget(TRAINING.name, 0)
    await executor.stop(TRAINING.name, 0)
    await ended(executor)
    await executor.forget(TRAINING.name, 0)
    await executor.forget(TRAINING.name, 0)
    assert not await executor.list()
    assert not machine.containers()
    with pytest.raises(UnknownReplicaError):
        await executor.log(TRAINING.name, 0)


async def test_the_volumes_of_an_image_are_removed_with_its_container(
    machine: DockerMachine, image: str
) -> None:
    with_volume = f"{image}-volume"
    dockerfile = f"FROM {image}\nVOLUME /data\n".encode()
    docker("build", "--quiet", "--tag", with_volume, "-", stdin=dockerfile)
    settings = machine.settings.model_copy(update={"trainer_image": with_volume})
    try:
        async with DockerExecutor.connect(settings=settings) as executor:
            await start(executor, "")
            await ended(executor)
            [container] = machine.containers()
            [mount] = machine.inspect(container)["Mounts"]
            await executor.forget(TRAINING.name, 0)
        assert mount["Name"] not in docker("volume", "ls", "--quiet").split()
    finally:
        docker("image", "rm", with_volume)


async def test_an_image_that_is_not_there_is_named_and_leaves_nothing(
    machine: DockerMachine,
) -> None:
    settings = machine.settings.model_copy(update={"trainer_image": "kafka-ml-test/none:1"})
    async with DockerExecutor.connect(settings=settings) as executor:
        with pytest.raises(StartRefusedError, match="no image kafka-ml-test/none:1") as e:
            await start(executor, "")
    assert e.value.reason is FailureReason.IMAGE
    assert not machine.containers()


@pytest.mark.parametrize("resources", [Resources(cpu="4096"), Resources(gpu=64)])
async def test_resources_that_the_machine_has_not_got_are_refused(
    machine: DockerMachine, executor: DockerExecutor, resources: Resources
) -> None:
    wanted = TRAINING.model_copy(update={"resources": resources})
    with pytest.raises(StartRefusedError) as e:
        await executor.start(wanted, 0, {"SCRIPT": ""})
    assert e.value.reason is FailureReason.UNSCHEDULABLE
    assert not machine.containers()


async def test_a_network_that_is_not_there_is_an_error_that_may_pass(
    machine: DockerMachine, image: str
) -> None:
    settings = machine.settings.model_copy(update={"docker_network": "no-such-network"})
    async with DockerExecutor.connect(settings=settings) as executor:
        with pytest.raises(ExecutorError, match="no-such-network") as e:
            await start(executor, "")
        assert not isinstance(e.value, StartRefusedError)
        assert not await executor.list()
    assert not docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}").split()


def reconciler(api: FakeWorkloadsApi, executor: DockerExecutor) -> Reconciler:
    return Reconciler(
        api=api,
        executor=executor,
        topics=FakeTopics(),
        environment=EnvironmentBuilder(settings=Settings()),
        metrics=Metrics(),
    )


async def test_a_reconciler_takes_a_workload_through_its_life(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    api = FakeWorkloadsApi()
    api.want(TRAINING)
    passes = reconciler(api, executor)
    await passes.run_pass()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while machine.containers():
        assert time.monotonic() < deadline, api.observations
        await passes.run_pass()
    assert api.logs[TRAINING.name, 0] == f"ran {TRAINING.name}\n".encode()
    assert api.observations[-1][1].exit_code == 0


async def test_a_reconciler_reports_an_image_that_is_not_there_at_once(
    machine: DockerMachine,
) -> None:
    settings = machine.settings.model_copy(update={"trainer_image": "kafka-ml-test/none:1"})
    api = FakeWorkloadsApi()
    api.want(TRAINING)
    async with DockerExecutor.connect(settings=settings) as executor:
        passes = reconciler(api, executor)
        for _ in range(2):
            await passes.run_pass()
    _, observation = api.observations[-1]
    assert (observation.phase, observation.reason) == (Phase.BLOCKED, "image")
    assert "kafka-ml-test/none:1" in observation.message


async def test_containers_of_others_are_not_seen_and_not_touched(
    executor: DockerExecutor, image: str
) -> None:
    with docker_machine(image) as neighbour:
        async with DockerExecutor.connect(settings=neighbour.settings) as other:
            await start(other, SLEEP)
            assert not await executor.list()
            await executor.stop(TRAINING.name, 0)
            await executor.forget(TRAINING.name, 0)
            await start(executor, "")
            await ended(executor)
            assert [each.phase for each in await other.list()] == [Phase.RUNNING]


async def test_a_container_with_labels_of_another_make_is_not_touched(
    machine: DockerMachine, executor: DockerExecutor, image: str
) -> None:
    labels = [f"{key}={it}" for key, it in machine.builder.scope().items()]
    options = [word for each in labels for word in ("--label", each)]
    docker("create", *options, image)
    assert not await executor.list()
    await executor.forget(TRAINING.name, 0)
    assert len(machine.containers()) == 1


async def test_it_runs_without_root_privileges_or_a_place_to_write_but_tmp(
    executor: DockerExecutor,
) -> None:
    script = """
import os, pathlib, resource
lines = pathlib.Path("/proc/self/status").read_text().splitlines()
status = dict(line.split(":", 1) for line in lines)
print("process", os.getpid())
print("user", os.getuid(), os.getgid())
for name in ("CapEff", "CapPrm", "CapBnd"):
    print(name, int(status[name], 16))
print("NoNewPrivs", int(status["NoNewPrivs"]))
print("core", *resource.getrlimit(resource.RLIMIT_CORE))
for folder in ("/", "/etc", "/home", "/var/tmp", os.getcwd()):
    print(folder, os.access(folder, os.W_OK))
work = pathlib.Path(os.environ["KAFKA_ML_WORK_DIRECTORY"])
(work / "file").write_bytes(b"x")
try:
    (work / "large").write_bytes(bytes(17 * 2**20))
except OSError as e:
    print(work, e.strerror)
"""
    await start(executor, script)
    assert (await ended(executor)).exit_code == 0
    log = (await executor.log(TRAINING.name, 0)).decode()
    assert log.splitlines() == [
        "process 1",
        "user 10001 10001",
        "CapEff 0",
        "CapPrm 0",
        "CapBnd 0",
        "NoNewPrivs 1",
        "core 0 0",
        "/ False",
        "/etc False",
        "/home False",
        "/var/tmp False",
        "/ False",
        "/tmp No space left on device",
    ]


async def test_it_cannot_change_or_read_the_raw_network(executor: DockerExecutor) -> None:
    script = """
import socket
for family in (socket.AF_INET, socket.AF_PACKET):
    try:
        socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        print("refused")
"""
    await start(executor, script)
    await ended(executor)
    assert await executor.log(TRAINING.name, 0) == b"refused\nrefused\n"


async def test_containers_find_each_other_by_the_network(
    machine: DockerMachine, executor: DockerExecutor
) -> None:
    script = "import socket; print(socket.gethostbyname('api'))"
    network = machine.settings.docker_network
    image = machine.settings.trainer_image
    labels = [f"--label={key}={it}" for key, it in machine.builder.scope().items()]
    api = docker(
        "run", "--detach", f"--network={network}", "--network-alias=api", *labels,
        f"--env=SCRIPT={SLEEP}", image,
    ).strip()  # fmt: skip
    await start(executor, script)
    await ended(executor)
    address = machine.inspect(api)["NetworkSettings"]["Networks"][network]["IPAddress"]
    assert (await executor.log(TRAINING.name, 0)).decode().strip() == address
