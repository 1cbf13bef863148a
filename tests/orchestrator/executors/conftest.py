"""A process executor that runs small scripts instead of trainers."""

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.executors.base import Replica
from orchestrator.executors.process import ProcessExecutor, stop_all
from orchestrator.executors.replica_directory import ReplicaDirectory

GRACE = timedelta(seconds=1)
LOG_BYTES = 64 * 1024


@dataclass
class Machine:
    """The folder of the workloads, and executors on it."""

    directory: Path

    def executor(self, script: str) -> ProcessExecutor:
        command = [sys.executable, "-I", "-u", "-c", script]
        return ProcessExecutor(
            directory=self.directory,
            commands=dict.fromkeys(WorkloadKind, command),
            grace=GRACE,
            look_interval=timedelta(seconds=0.05),
            log_bytes=LOG_BYTES,
        )

    def replica_directory(self, workload: Workload, replica: int = 0) -> ReplicaDirectory:
        return ReplicaDirectory(self.directory / workload.name / str(replica))

    async def start(self, script: str, workload: Workload) -> ProcessExecutor:
        """Start replica 0, and wait until its script runs."""
        executor = self.executor(script)
        await executor.start(workload, 0, {"KAFKA_ML_TOKEN": "secret-of-the-attempt"})
        await self.wait_for_log(executor, workload, b"ready")
        return executor

    async def wait_for_log(
        self, executor: ProcessExecutor, workload: Workload, text: bytes
    ) -> None:
        deadline = time.monotonic() + 20
        while text not in await executor.log(workload.name, 0):
            assert time.monotonic() < deadline, "the script did not get there"
            await asyncio.sleep(0.02)

    async def end(self, executor: ProcessExecutor) -> Replica:
        """Wait until the only replica has ended."""
        deadline = time.monotonic() + 20
        while True:
            [replica] = await executor.list()
            if not replica.is_running:
                return replica
            assert time.monotonic() < deadline, "the replica did not end"
            await asyncio.sleep(0.02)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    directory = tmp_path / "workloads"
    yield Machine(directory)
    stop_all(directory, timeout=timedelta(0))
