import asyncio
import os
import signal
import sys
from datetime import timedelta

import psutil
import pytest

from kafkaml.schemas.workloads import Phase, WorkloadKind
from orchestrator.exceptions import ExecutorError, StillRunningError, UnknownReplicaError
from orchestrator.executors.base import MAX_LOG_BYTES
from orchestrator.executors.process import ProcessExecutor, stop_all

from ..builders import workload  # noqa: TID252 - tests of one package
from .conftest import LOG_BYTES, Machine

TRAINING = workload()
SLEEP = "import time; print('ready'); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
POLITE = (
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); " + SLEEP
)


@pytest.mark.parametrize(
    ("script", "exit_code"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 15)", 143),
        ("import os; os.kill(os.getpid(), 11)", 139),
        ("import os; os._exit(255)", 255),
    ],
)
async def test_the_exit_code_is_kept(machine: Machine, script: str, exit_code: int) -> None:
    executor = machine.executor(script)
    await executor.start(TRAINING, 0, {})
    replica = await machine.end(executor)
    assert (replica.exit_code, replica.reason, replica.starts) == (exit_code, None, 1)
    assert replica.started_at is not None
    assert replica.exited_at is not None
    assert replica.started_at <= replica.exited_at


async def test_a_command_that_is_not_there_is_an_end_with_a_reason(
    machine: Machine,
) -> None:
    executor = ProcessExecutor(
        directory=machine.directory, commands={WorkloadKind.TRAINING: ["/no/such/command"]}
    )
    await executor.start(TRAINING, 0, {})
    replica = await machine.end(executor)
    assert (replica.exit_code, replica.reason) == (None, "platform")
    assert "/no/such/command" in replica.message


async def test_the_child_knows_only_what_it_must(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_ML_TOKEN", "secret-of-the-orchestrator")
    script = "import os; print(sorted(os.environ), os.getcwd() == os.environ['HOME'])"
    executor = machine.executor(script)
    await executor.start(TRAINING, 0, {"KAFKA_ML_REPLICA": "0"})
    await machine.end(executor)
    log = (await executor.log(TRAINING.name, 0)).decode()
    assert log == "['HOME', 'KAFKA_ML_REPLICA', 'LANG', 'PATH', 'TMPDIR'] True\n"


async def test_the_token_is_in_no_argument_and_no_file(machine: Machine) -> None:
    await machine.start(SLEEP, TRAINING)
    directory = machine.replica_directory(TRAINING)
    processes = [directory.identity("run"), directory.identity("child")]
    for process in processes:
        assert process is not None
        assert "secret" not in " ".join(psutil.Process(process.pid).cmdline())
    runner = psutil.Process(processes[0].pid)  # type: ignore[union-attr]  # seen above
    assert "secret" not in str(runner.environ())
    files = [path for path in machine.directory.rglob("*") if path.is_file()]
    assert files
    assert not any(b"secret" in path.read_bytes() for path in files)
    assert machine.directory.stat().st_mode & 0o077 == 0


async def test_a_new_executor_finds_what_runs_and_does_not_start_it_again(
    machine: Machine,
) -> None:
    await machine.start(SLEEP, TRAINING)
    other = machine.executor(SLEEP)
    before = await other.list()
    await other.start(TRAINING, 0, {})
    assert await other.list() == before
    assert before[0].is_running


async def test_it_survives_the_death_of_the_orchestrator(machine: Machine) -> None:
    script = f"""
import asyncio, sys
from pathlib import Path
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.executors.process import ProcessExecutor

workload = Workload.model_validate_json(sys.argv[1])
command = [sys.executable, "-u", "-c", {SLEEP!r}]
executor = ProcessExecutor(
    directory=Path(sys.argv[2]), commands={{WorkloadKind.TRAINING: command}}
)
asyncio.run(executor.start(workload, 0, {{}}))
print("started", flush=True)
asyncio.run(asyncio.sleep(60))
"""
    arguments = [TRAINING.model_dump_json(), str(machine.directory)]
    orchestrator = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert orchestrator.stdout is not None
    assert await orchestrator.stdout.readline() == b"started\n"
    os.kill(orchestrator.pid, signal.SIGKILL)
    await orchestrator.wait()
    executor = machine.executor(SLEEP)
    await machine.wait_for_log(executor, TRAINING, b"ready")
    assert [each.is_running for each in await executor.list()] == [True]
    await executor.stop(TRAINING.name, 0)
    assert (await machine.end(executor)).exit_code == 143


async def test_too_much_memory_ends_with_a_reason_and_the_peak(machine: Machine) -> None:
    script = "import time; data = b'x' * 100_000_000; time.sleep(60)"
    executor = machine.executor(script)
    await executor.start(workload(memory="64Mi"), 0, {})
    replica = await machine.end(executor)
    assert (replica.exit_code, replica.reason) == (137, "oom")
    assert "The limit is 64Mi" in replica.message


async def test_the_memory_of_a_grandchild_that_ran_away_counts(machine: Machine) -> None:
    script = """
import os, time
if not os.fork():
    os.setsid()
    if not os.fork():
        data = b"x" * 100_000_000
        time.sleep(60)
    os._exit(0)
os.wait()
time.sleep(60)
"""
    executor = machine.executor(script)
    await executor.start(workload(memory="64Mi"), 0, {})
    assert (await machine.end(executor)).reason == "oom"


async def test_too_much_cpu_time_ends_with_a_reason(machine: Machine) -> None:
    executor = machine.executor("while True: pass")
    await executor.start(workload(cpu_seconds=1), 0, {})
    replica = await machine.end(executor)
    assert replica.reason == "deadline"
    assert "1 s of CPU time" in replica.message


async def test_a_log_keeps_its_newest_part_and_a_bound(machine: Machine) -> None:
    script = """
import time
print("ready")
for number in range(20):
    print(f"{number} " * 4000)
    time.sleep(0.02)
print("the end")
"""
    executor = await machine.start(script, TRAINING)
    await machine.end(executor)
    log = await executor.log(TRAINING.name, 0)
    assert log.endswith(b"the end\n")
    assert b"ready" not in log
    files = machine.replica_directory(TRAINING).path.glob("log*")
    assert sum(path.stat().st_size for path in files) <= 3 * LOG_BYTES


async def test_a_log_is_text_of_a_bounded_size(machine: Machine) -> None:
    executor = machine.executor("")
    await executor.start(TRAINING, 0, {})
    await machine.end(executor)
    log = machine.replica_directory(TRAINING).log
    log.write_bytes(b"\xff\x00 \xc3\xa4\n" * MAX_LOG_BYTES)
    content = await executor.log(TRAINING.name, 0)
    assert len(content) <= MAX_LOG_BYTES
    assert "ä" in content.decode()
    assert b"\x00" not in content


async def test_stop_lets_the_child_end_by_itself(machine: Machine) -> None:
    executor = await machine.start(POLITE, TRAINING)
    await executor.stop(TRAINING.name, 0)
    await executor.stop(TRAINING.name, 0)
    assert (await machine.end(executor)).exit_code == 143


async def test_stop_kills_a_child_that_does_not_end(machine: Machine) -> None:
    executor = await machine.start(STUBBORN, TRAINING)
    await executor.stop(TRAINING.name, 0)
    replica = await machine.end(executor)
    assert replica.exit_code == 137
    assert "within 1 s of SIGTERM" in replica.message


async def kill_runner(machine: Machine) -> None:
    runner = machine.replica_directory(TRAINING).identity("run")
    assert runner is not None
    runner.send(signal.SIGKILL)
    while runner.is_alive:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("script", [POLITE, STUBBORN])
async def test_a_child_whose_runner_was_killed_is_found_and_stopped(
    machine: Machine, script: str
) -> None:
    executor = await machine.start(script, TRAINING)
    await kill_runner(machine)
    [orphan] = await executor.list()
    assert orphan.is_running
    await executor.start(TRAINING, 0, {}, starts=orphan.starts)
    assert (await executor.list())[0].starts == 1
    deadline = asyncio.get_running_loop().time() + 10
    while (await executor.list())[0].is_running:
        assert asyncio.get_running_loop().time() < deadline
        await executor.stop(TRAINING.name, 0)
        await asyncio.sleep(0.1)
    [lost] = await executor.list()
    assert (lost.phase, lost.exit_code, lost.reason) == (Phase.EXITED, None, None)


async def test_forks_of_a_dead_child_whose_runner_is_dead_are_stopped(
    machine: Machine,
) -> None:
    script = """
import os, time
if os.fork():
    time.sleep(60)
os.setsid()
print("ready")
time.sleep(60)
"""
    executor = await machine.start(script, TRAINING)
    child = machine.replica_directory(TRAINING).identity("child")
    assert child is not None
    await kill_runner(machine)
    child.send(signal.SIGKILL)
    while child.is_alive:
        await asyncio.sleep(0.01)
    assert (await executor.list())[0].is_running
    await executor.stop(TRAINING.name, 0)
    assert (await machine.end(executor)).exit_code is None


async def test_what_a_child_leaves_behind_is_ended_with_it(machine: Machine) -> None:
    script = """
import os, time
print("ready")
if not os.fork():
    os.setsid()
    time.sleep(60)
time.sleep(0.2)
"""
    executor = await machine.start(script, TRAINING)
    child = machine.replica_directory(TRAINING).identity("child")
    assert child is not None
    await machine.end(executor)
    home = str(machine.replica_directory(TRAINING).work)
    left = [
        each
        for each in psutil.process_iter(["environ"])
        if (each.info["environ"] or {}).get("HOME") == home
    ]
    assert not left


async def test_concurrent_starts_make_one_child(machine: Machine) -> None:
    count = machine.directory / "count"
    script = f"open({str(count)!r}, 'a').write('started '); {SLEEP}"
    executors = [machine.executor(script) for _ in range(2)]
    await asyncio.gather(
        *(each.start(TRAINING, 0, {}) for each in executors for _ in range(4))
    )
    await machine.wait_for_log(executors[0], TRAINING, b"ready")
    assert count.read_text() == "started "
    assert len(await executors[1].list()) == 1


async def test_who_has_not_seen_the_end_cannot_start_again(machine: Machine) -> None:
    executor = machine.executor("print('run')")
    await executor.start(TRAINING, 0, {})
    await machine.end(executor)
    await executor.start(TRAINING, 0, {}, starts=0)
    replica = await machine.end(executor)
    assert (replica.starts, replica.restarts) == (1, 0)
    await executor.start(TRAINING, 0, {}, starts=1)
    replica = await machine.end(executor)
    assert (replica.starts, replica.restarts) == (2, 1)
    assert await executor.log(TRAINING.name, 0) == b"run\nrun\n"


async def test_what_has_ended_can_be_forgotten_and_what_runs_cannot(
    machine: Machine,
) -> None:
    executor = await machine.start(SLEEP, TRAINING)
    with pytest.raises(StillRunningError):
        await executor.forget(TRAINING.name, 0)
    await executor.stop(TRAINING.name, 0)
    await machine.end(executor)
    await executor.forget(TRAINING.name, 0)
    await executor.forget(TRAINING.name, 0)
    assert not await executor.list()
    assert not (machine.directory / TRAINING.name).exists()
    with pytest.raises(UnknownReplicaError):
        await executor.log(TRAINING.name, 0)


async def test_a_name_cannot_lead_out_of_the_folder(machine: Machine) -> None:
    outside = TRAINING.model_copy(update={"name": "../outside"})
    with pytest.raises(ExecutorError):
        await machine.executor("").start(outside, 0, {})
    assert not (machine.directory / "../outside").exists()


async def test_stop_all_ends_everything_and_keeps_how(machine: Machine) -> None:
    script = f"import os; exec({STUBBORN!r} if 'HARD' in os.environ else {POLITE!r})"
    executor = machine.executor(script)
    polite, stubborn = workload(number=1), workload(number=2)
    await executor.start(polite, 0, {})
    await executor.start(stubborn, 0, {"HARD": "1"})
    for each in (polite, stubborn):
        await machine.wait_for_log(executor, each, b"ready")
    await asyncio.to_thread(stop_all, machine.directory, timeout=timedelta(seconds=0.5))
    assert [each.exit_code for each in await executor.list()] == [143, 137]


def test_stop_all_of_a_folder_that_is_not_there_does_nothing(machine: Machine) -> None:
    stop_all(machine.directory / "none", timeout=timedelta(seconds=1))
    assert not machine.directory.exists()
