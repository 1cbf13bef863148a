"""Whatever happens, in whatever order: what runs becomes what is wanted."""

import asyncio
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kafkaml.exceptions import ApiUnavailableError
from kafkaml.schemas.workloads import Workload, WorkloadKind

from .builders import workload
from .faults import Fault
from .world import World

numbers = st.integers(1, 4)
LONG = timedelta(minutes=10)


class Platform(RuleBasedStateMachine):
    """Users, faults and two orchestrators act on the same workloads."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.reconcilers = [self.world.reconciler, self.world.another()]

    @rule(number=numbers)
    def create_training(self, number: int) -> None:
        attempts = [each.attempt for each in self._workloads() if each.id == number]
        if not attempts and not self._was_started(WorkloadKind.TRAINING, number):
            self.world.api.want(workload(number=number))

    @rule(number=numbers, replicas=st.integers(0, 3))
    def scale_inference(self, number: int, replicas: int) -> None:
        self.world.api.want(workload(WorkloadKind.INFERENCE, number, replicas=replicas))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if names := sorted(self.world.api.workloads):
            del self.world.api.workloads[data.draw(st.sampled_from(names))]

    @rule(data=st.data(), exit_code=st.sampled_from([None, 0, 3, 5, 137, 143]))
    def end(self, data: st.DataObject, exit_code: int | None) -> None:
        if slots := sorted(self.world.running()):
            name, replica = data.draw(st.sampled_from(slots))
            self.world.executor.write_log(name, replica, b"last words\n")
            self.world.executor.end(
                name, replica, exit_code=exit_code, at=self.world.clock.now
            )

    @rule(fault=st.sampled_from(["refused", "answer lost"]), skip=st.integers(0, 3))
    def lose_an_answer(self, fault: Fault, skip: int) -> None:
        self.world.api.faults = [*[None] * skip, fault]

    @rule(data=st.data())
    def break_an_object(self, data: st.DataObject) -> None:
        if names := sorted(self.world.api.workloads):
            self.world.executor.broken = {data.draw(st.sampled_from(names))}

    @rule()
    def mend(self) -> None:
        self.world.executor.broken = set()

    @rule(which=st.integers(0, 1))
    def restart_an_orchestrator(self, which: int) -> None:
        self.reconcilers[which] = self.world.another()

    @rule(which=st.integers(0, 1), seconds=st.integers(0, 30))
    def run_a_pass(self, which: int, seconds: int) -> None:
        self.world.clock.advance(timedelta(seconds=seconds))
        self._pass(which)

    @rule()
    def run_two_passes_at_once(self) -> None:
        async def both() -> None:
            passes = (each.run_pass() for each in self.reconcilers)
            await asyncio.gather(*passes, return_exceptions=True)

        asyncio.run(both())

    @invariant()
    def no_attempt_is_started_twice(self) -> None:
        if hasattr(self, "world"):
            started = [
                slot
                for slot in self.world.executor.started
                if WorkloadKind.INFERENCE not in slot[0]
            ]
            assert len(started) == len(set(started))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.api.faults = []
        self.world.executor.broken = set()
        for _ in range(5):
            self.world.clock.advance(LONG)
            self._pass(0)
        wanted = {
            (each.name, replica)
            for each in self._workloads()
            for replica in range(each.replicas)
        }
        assert self.world.running() == wanted
        assert set(self.world.executor.replicas) == wanted

    def _pass(self, which: int) -> None:
        try:
            asyncio.run(self.reconcilers[which].run_pass())
        except ApiUnavailableError:
            return

    def _workloads(self) -> list[Workload]:
        return list(self.world.api.workloads.values())

    def _was_started(self, kind: WorkloadKind, number: int) -> bool:
        prefix = f"kafkaml-{kind}-{number}-"
        return any(name.startswith(prefix) for name, _ in self.world.executor.started)


TestPlatform = Platform.TestCase
TestPlatform.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
