"""The fakes, with faults that a test injects."""

import asyncio
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
    """Cannot do anything for the workloads in `broken`; every start raises `refusal`.

    Those in `slow` wait for `may_go_on`. `overlaps` are attempts that were started while
    another one of the same lived.
    """

    broken: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    refusal: ExecutorError | None = None
    overlaps: list[str] = field(default_factory=list)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(
        self,
        workload: Workload,
        replica: int,
        environment: Mapping[str, str],
        *,
        starts: int = 0,
    ) -> None:
        await self._check(workload.name)
        if self.refusal is not None:
            raise self.refusal
        if self._is_another_alive(workload.name):
            self.overlaps.append(workload.name)
        await super().start(workload, replica, environment, starts=starts)

    async def stop(self, name: str, replica: int) -> None:
        await self._check(name)
        await super().stop(name, replica)

    async def log(self, name: str, replica: int) -> bytes:
        await self._check(name)
        return await super().log(name, replica)

    async def forget(self, name: str, replica: int) -> None:
        await self._check(name)
        await super().forget(name, replica)

    async def _check(self, name: str) -> None:
        if name in self.slow:
            await self.may_go_on.wait()
        if name in self.broken:
            raise ExecutorError(f"{name} is broken")

    def _is_another_alive(self, name: str) -> bool:
        subject = name.rpartition("-")[0]
        others = {f"{subject}-{attempt}" for attempt in range(1, 10)} - {name}
        slots = {(other, number) for other in others for number in range(4)}
        return bool(others & self.sizes.keys()) or any(
            self.replicas[slot].is_running for slot in slots & self.replicas.keys()
        )
