"""The executor for one machine: each replica is a process that outlives this one."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from kafkaml.schemas.deployments import memory_bytes
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.base import MAX_LOG_BYTES, Replica
from orchestrator.executors.log_text import whole_lines
from orchestrator.executors.runner import RunOrder
from orchestrator.executors.warm_parent import WarmParent, basic_environment
from orchestrator.executors.workloads_directory import Claim, WorkloadsDirectory

LOG_FILE_BYTES = 5 * 1024 * 1024
_SPAWN_TIMEOUT = timedelta(seconds=30)
_KILL_TIMEOUT = timedelta(seconds=10)
# A replica is asked by an API on this machine, at whatever port is free.
_INFERENCE_VARIABLES = {
    "KAFKA_ML_PROBE_PORT": "0",
    "KAFKA_ML_PROBE_HOST": "127.0.0.1",
    "KAFKA_ML_ADVERTISED_HOST": "127.0.0.1",
}
_RUNNER = [sys.executable, "-I", "-m", "orchestrator.executors.runner"]


class ProcessExecutor:
    """Runs each replica as a child of a small runner process of its own.

    What runs is found by the locks in `directory`, so a restarted orchestrator finds it
    again, and two orchestrators on one folder start nothing twice. `commands` says what to
    run for each kind of workload; `grace` is the time from SIGTERM to SIGKILL. Memory and
    CPU time are checked each `look_interval`; a log takes twice `log_bytes` on the disk.
    What runs the code of models is started below `warm_parent`, if there is one.
    """

    def __init__(
        self,
        *,
        directory: Path,
        commands: Mapping[WorkloadKind, Sequence[str]],
        grace: timedelta = timedelta(seconds=30),
        look_interval: timedelta = timedelta(seconds=0.5),
        log_bytes: int = LOG_FILE_BYTES,
        warm_parent: WarmParent | None = None,
    ) -> None:
        self._directory = WorkloadsDirectory(directory)
        self._commands = commands
        self._grace = grace
        self._look_interval = look_interval
        self._log_bytes = log_bytes
        self._warm_parent = warm_parent

    async def list(self) -> Sequence[Replica]:
        return await asyncio.to_thread(self._directory.replicas)

    async def start(
        self,
        workload: Workload,
        replica: int,
        environment: Mapping[str, str],
        *,
        starts: int = 0,
    ) -> None:
        await asyncio.to_thread(self._start, workload, replica, environment, starts)

    async def stop(self, name: str, replica: int) -> None:
        await asyncio.to_thread(self._directory.stop, name, replica, self._grace)

    async def log(self, name: str, replica: int) -> bytes:
        content = await asyncio.to_thread(
            self._directory.read_log, name, replica, MAX_LOG_BYTES
        )
        return whole_lines(content, MAX_LOG_BYTES)

    async def forget(self, name: str, replica: int) -> None:
        await asyncio.to_thread(self._directory.forget, name, replica)

    def _start(
        self, workload: Workload, replica: int, environment: Mapping[str, str], starts: int
    ) -> None:
        claim = self._directory.claim(workload.name, replica, starts=starts)
        if claim is None:
            return
        try:
            order = self._order(claim, workload, environment)
            if not self._start_warm(claim, workload, order):
                _spawn(claim, order)
        except (OSError, subprocess.SubprocessError) as e:
            raise ExecutorError(f"the runner of {workload.name} did not start: {e}") from e
        finally:
            os.close(claim.lock)

    def _start_warm(self, claim: Claim, workload: Workload, order: RunOrder) -> bool:
        """Start a runner that has a process with TensorFlow imported below it."""
        if self._warm_parent is None or not _is_for_warm_start(workload):
            return False
        with claim.directory.log.open("ab") as log:
            start = self._warm_parent.start(
                _RUNNER,
                environment=basic_environment(),
                directory=str(claim.directory.path),
                lock=claim.lock,
                log=log.fileno(),
            )
        if start is None:
            return False
        variables = {"KAFKA_ML_STANDBY_DESCRIPTOR": str(start.standby)}
        start.hand_over(
            replace(
                order,
                lock=start.lock,
                standby=start.standby,
                environment=order.environment | variables,
            ).to_json()
        )
        return True

    def _order(
        self, claim: Claim, workload: Workload, environment: Mapping[str, str]
    ) -> RunOrder:
        work = claim.directory.work
        is_inference = workload.kind is WorkloadKind.INFERENCE
        return RunOrder(
            directory=str(claim.directory.path),
            lock=claim.lock,
            starts=claim.starts,
            restarts=claim.restarts,
            command=self._commands[workload.kind],
            environment=basic_environment()
            | {"HOME": str(work), "TMPDIR": str(work / "tmp")}
            | (_INFERENCE_VARIABLES if is_inference else {})
            | dict(environment),
            memory_bytes=memory_bytes(workload.resources.memory),
            memory_text=workload.resources.memory,
            cpu_seconds=workload.cpu_seconds,
            grace_seconds=self._grace.total_seconds(),
            look_seconds=self._look_interval.total_seconds(),
            log_bytes=self._log_bytes,
        )


def stop_all(directory: Path, *, timeout: timedelta) -> None:
    """End every replica below `directory`: by SIGTERM, and by SIGKILL after `timeout`.

    How they ended stays recorded for the next orchestrator. Raise `ExecutorError` if one
    cannot be ended. Nothing may start replicas there meanwhile.
    """
    workloads = WorkloadsDirectory(directory)
    if not directory.exists():
        return
    deadline = time.monotonic() + timeout.total_seconds()
    while (running := _running(workloads)) and time.monotonic() < deadline:
        for each in running:
            workloads.stop(each.name, each.replica, timeout)
        time.sleep(0.1)
    deadline = time.monotonic() + _KILL_TIMEOUT.total_seconds()
    while running := _running(workloads):
        if time.monotonic() > deadline:
            names = ", ".join(f"{each.name}/{each.replica}" for each in running)
            raise ExecutorError(f"these do not end: {names}")
        for each in running:
            workloads.kill(each.name, each.replica)
        time.sleep(0.1)


def _running(workloads: WorkloadsDirectory) -> list[Replica]:
    return [each for each in workloads.replicas() if each.is_running]


def _spawn(claim: Claim, order: RunOrder) -> None:
    """Start a runner and hand it the lock; it leaves at once, and nobody waits for it."""
    with claim.directory.log.open("ab") as log:
        subprocess.run(  # noqa: S603 - our own arguments, no shell
            _RUNNER,
            cwd=claim.directory.path,
            env=basic_environment(),
            input=order.to_json(),
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=[claim.lock],
            start_new_session=True,
            timeout=_SPAWN_TIMEOUT.total_seconds(),
            check=True,
        )


def _is_for_warm_start(workload: Workload) -> bool:
    is_model_code = workload.kind is not WorkloadKind.INFERENCE
    return is_model_code and not workload.resources.gpu
