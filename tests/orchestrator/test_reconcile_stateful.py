"""Whatever happens, in whatever order: what runs becomes what is wanted."""

import asyncio
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kafkaml.exceptions import ApiUnavailableError
from kafkaml.schemas.workloads import Phase, Workload, WorkloadKind

from .builders import workload
from .faults import Fault
from .situations import ANOTHER_PLATFORM
from .world import World

numbers = st.integers(1, 4)
LONG = timedelta(minutes=10)


class Platform(RuleBasedStateMachine):
    """Users, faults, another installation and two orchestrators act on the same things."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
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

    @rule(
        data=st.data(),
        phase=st.sampled_from([Phase.PENDING, Phase.BLOCKED, Phase.RUNNING]),
        message=st.sampled_from(["", "no room", "no image"]),
    )
    def wait(self, data: st.DataObject, phase: Phase, message: str) -> None:
        if slots := sorted(self.world.running()):
            slot = data.draw(st.sampled_from(slots))
            self.world.executor.change(*slot, phase=phase, message=message)

    @rule(
        kind=st.sampled_from([WorkloadKind.TRAINING, WorkloadKind.INFERENCE]),
        number=numbers,
        attempt=st.integers(1, 3),
    )
    def leave_behind(self, kind: WorkloadKind, number: int, attempt: int) -> None:
        """Another installation had a database of its own and is no more."""
        foreign = workload(kind, number, attempt=attempt)
        if foreign.name not in {name for name, _ in self._present()}:
            self.world.executor.leave_behind(foreign.name, ANOTHER_PLATFORM)

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

        self.loop.run(both())

    @invariant()
    def no_attempt_is_started_twice(self) -> None:
        ours = [
            slot
            for slot in self.world.executor.started
            if WorkloadKind.INFERENCE not in slot[0]
        ]
        assert len(ours) == len(set(ours))

    @invariant()
    def no_attempt_is_started_while_another_lives(self) -> None:
        assert not self.world.executor.overlaps

    def teardown(self) -> None:
        with self.loop:
            self.world.api.faults = []
            self.world.executor.broken = set()
            for _ in range(6):
                self.world.clock.advance(LONG)
                self._pass(0)
                self._recover()
            self._pass(0)
            self.check_end()

    def check_end(self) -> None:
        """What runs is what is wanted, and nothing else is left."""
        wanted = {
            (each.name, replica)
            for each in self._workloads()
            for replica in range(each.replicas)
        }
        assert self.world.running() == wanted
        assert set(self.world.executor.replicas) == wanted
        platforms = {each.platform for each in self.world.executor.replicas.values()}
        assert ANOTHER_PLATFORM not in platforms
        assert not self.world.api.notices.keys() & self.world.api.workloads.keys()

    def _recover(self) -> None:
        """Let what waits run."""
        for slot, replica in list(self.world.executor.replicas.items()):
            if replica.phase is not Phase.EXITED:
                self.world.executor.change(*slot, is_ready=True)

    def _present(self) -> set[tuple[str, int]]:
        sets = {(name, 0) for name in self.world.executor.sizes}
        return sets | self.world.executor.replicas.keys()

    def _pass(self, which: int) -> None:
        try:
            self.loop.run(self.reconcilers[which].run_pass())
        except ApiUnavailableError:
            return

    def _workloads(self) -> list[Workload]:
        return list(self.world.api.workloads.values())

    def _was_started(self, kind: WorkloadKind, number: int) -> bool:
        prefix = f"kafkaml-{kind}-{number}-"
        return any(name.startswith(prefix) for name, _ in self.world.executor.started)


class PlatformOfSets(Platform):
    """The executor keeps the number of an inference's replicas by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.world.executor.keeps_sets = True

    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """The controller of a set starts again what has ended, or makes another one."""
        over = self.world.executor.replicas.keys() - self.world.running()
        if slots := sorted(slot for slot in over if slot[0] in self.world.executor.sizes):
            self.world.executor.change(*data.draw(st.sampled_from(slots)))

    @rule(data=st.data())
    def become_ready(self, data: st.DataObject) -> None:
        if slots := sorted(self.world.running()):
            self.world.executor.change(*data.draw(st.sampled_from(slots)), is_ready=True)

    def check_end(self) -> None:
        super().check_end()
        for name, size in self.world.executor.sizes.items():
            assert size == self.world.api.workloads[name].replicas
            assert self.world.api.serving[name] == set(range(size))

    def _recover(self) -> None:
        for slot in list(self.world.executor.replicas):
            if slot[0] in self.world.executor.sizes:
                self.world.executor.change(*slot, is_ready=True)
        super()._recover()


LIMITS = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPlatform = Platform.TestCase
TestPlatform.settings = LIMITS
TestPlatformOfSets = PlatformOfSets.TestCase
TestPlatformOfSets.settings = LIMITS
