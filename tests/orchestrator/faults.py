"""The fakes, with faults that a test injects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kafkaml.exceptions import ApiUnavailableError
from kafkaml.schemas.workloads import Observation, Workload
from orchestrator.exceptions import ExecutorError
from orchestrator.testing import FakeExecutor, FakeWorkloadsApi

Fault = Literal["refused", "answer lost"]


@dataclass
class FaultyApi(FakeWorkloadsApi):
    """Fails the next calls: before they did anything, or after."""

    faults: list[Fault | None] = field(default_factory=list)

    async def wanted(self) -> Sequence[Workload]:
        answer = await super().wanted()
        self._fail(self._next())
        return answer

    async def token(self, name: str) -> str:
        fault = self._next()
        self._fail_before(fault)
        answer = await super().token(name)
        self._fail(fault)
        return answer

    async def observe(self, name: str, observation: Observation) -> None:
        fault = self._next()
        self._fail_before(fault)
        await super().observe(name, observation)
        self._fail(fault)

    async def put_logs(self, name: str, replica: int, content: bytes) -> None:
        fault = self._next()
        self._fail_before(fault)
        await super().put_logs(name, replica, content)
        self._fail(fault)

    def _next(self) -> Fault | None:
        return self.faults.pop(0) if self.faults else None

    def _fail_before(self, fault: Fault | None) -> None:
        if fault == "refused":
            self._fail(fault)

    def _fail(self, fault: Fault | None) -> None:
        if fault is not None:
            raise ApiUnavailableError(fault)


@dataclass
class FaultyExecutor(FakeExecutor):
    """Cannot do anything for the workloads in `broken`."""

    broken: set[str] = field(default_factory=set)

    async def start(
        self,
        workload: Workload,
        replica: int,
        environment: Mapping[str, str],
        *,
        starts: int = 0,
    ) -> None:
        self._check(workload.name)
        await super().start(workload, replica, environment, starts=starts)

    async def stop(self, name: str, replica: int) -> None:
        self._check(name)
        await super().stop(name, replica)

    async def log(self, name: str, replica: int) -> bytes:
        self._check(name)
        return await super().log(name, replica)

    async def forget(self, name: str, replica: int) -> None:
        self._check(name)
        await super().forget(name, replica)

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise ExecutorError(f"{name} is broken")
