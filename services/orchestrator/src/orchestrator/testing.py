"""In-memory stand-ins for what surrounds the orchestrator, for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from kafkaml.exceptions import ProblemError
from kafkaml.schemas.problems import PROBLEM_TYPE_PREFIX, Problem
from kafkaml.schemas.workloads import (
    Observation,
    Phase,
    WantedTopic,
    Workload,
    WorkloadKind,
)
from orchestrator.exceptions import StillRunningError, UnknownReplicaError
from orchestrator.executors.base import Replica
from orchestrator.workloads_api import NOT_CURRENT

Slot = tuple[str, int]


@dataclass
class FakeExecutor:
    """Replicas that exist in memory only; a test lets them change and end.

    With `keeps_sets` an inference is a set (see `Replica.size`), as on Kubernetes; its
    size is in `sizes`, and its replicas come and go as a test says.
    """

    keeps_sets: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    replicas: dict[Slot, Replica] = field(default_factory=dict)
    environments: dict[Slot, Mapping[str, str]] = field(default_factory=dict)
    logs: dict[Slot, bytes] = field(default_factory=dict)
    started: list[Slot] = field(default_factory=list)

    async def list(self) -> Sequence[Replica]:
        seen = [
            replace(each, size=self.sizes.get(each.name)) for each in self.replicas.values()
        ]
        empty = self.sizes.keys() - {each.name for each in seen}
        seen += [
            Replica(name, 0, Phase.PENDING, size=self.sizes[name]) for name in sorted(empty)
        ]
        return tuple(seen)

    async def start(
        self,
        workload: Workload,
        replica: int,
        environment: Mapping[str, str],
        *,
        starts: int = 0,
    ) -> None:
        slot = (workload.name, replica)
        if self.keeps_sets and workload.kind is WorkloadKind.INFERENCE:
            self._resize(workload)
            return
        before = self.replicas.get(slot)
        if before is not None and (before.is_running or before.starts != starts):
            return
        self.started.append(slot)
        self.environments[slot] = environment
        self.replicas[slot] = Replica(
            workload.name,
            replica,
            Phase.RUNNING,
            starts=starts + 1,
            restarts=starts,
            started_at=datetime.now(UTC),
            platform=workload.platform,
        )

    async def stop(self, name: str, replica: int) -> None:
        slot = (name, replica)
        if name in self.sizes:
            del self.sizes[name]
            for each in [each for each in self.replicas if each[0] == name]:
                del self.replicas[each]
        elif slot in self.replicas and self.replicas[slot].is_running:
            self.end(name, replica, exit_code=143)

    async def log(self, name: str, replica: int) -> bytes:
        if (name, replica) not in self.replicas:
            raise UnknownReplicaError(name, replica)
        return self.logs.get((name, replica), b"")

    async def forget(self, name: str, replica: int) -> None:
        slot = (name, replica)
        if slot in self.replicas and self.replicas[slot].is_running:
            raise StillRunningError(name, replica)
        self.replicas.pop(slot, None)
        self.logs.pop(slot, None)

    def leave_behind(self, name: str, platform: UUID) -> None:
        """Let something run that another database wanted."""
        self.replicas[name, 0] = Replica(name, 0, Phase.RUNNING, platform=platform)
        if self.keeps_sets and WorkloadKind.INFERENCE in name:
            self.sizes[name] = 1

    def _resize(self, workload: Workload) -> None:
        self.sizes[workload.name] = workload.replicas
        present = {slot for slot in self.replicas if slot[0] == workload.name}
        wanted = {(workload.name, number) for number in range(workload.replicas)}
        for slot in present - wanted:
            del self.replicas[slot]
        for slot in sorted(wanted - present):
            self.started.append(slot)
            self.replicas[slot] = Replica(*slot, Phase.PENDING, platform=workload.platform)

    def change(
        self,
        name: str,
        replica: int = 0,
        *,
        phase: Phase = Phase.RUNNING,
        is_ready: bool = False,
        reason: str | None = None,
        message: str = "",
    ) -> None:
        """Let a replica wait, run, or be ready; one that has ended starts again."""
        before = self.replicas[name, replica]
        self.replicas[name, replica] = replace(
            before,
            phase=phase,
            is_ready=is_ready,
            reason=reason,
            message=message,
            starts=before.starts + (not before.is_running),
            exit_code=None,
            exited_at=None,
        )

    def end(
        self,
        name: str,
        replica: int = 0,
        *,
        exit_code: int | None = 0,
        reason: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Let a running replica end."""
        self.replicas[name, replica] = replace(
            self.replicas[name, replica],
            phase=Phase.EXITED,
            is_ready=False,
            exit_code=exit_code,
            reason=reason,
            message="",
            exited_at=at or datetime.now(UTC),
        )

    def write_log(self, name: str, replica: int, content: bytes) -> None:
        """Let a replica write to its log."""
        slot = (name, replica)
        self.logs[slot] = self.logs.get(slot, b"") + content
        self.replicas[slot] = replace(
            self.replicas[slot], log_revision=len(self.logs[slot])
        )


@dataclass
class FakeWorkloadsApi:
    """Wants what a test says, and decides about attempts as the real one does.

    `notices` and `serving` (replicas that answer) are what it was told by workload.
    """

    workloads: dict[str, Workload] = field(default_factory=dict)
    observations: list[tuple[str, Observation]] = field(default_factory=list)
    notices: dict[str, str] = field(default_factory=dict)
    serving: dict[str, set[int]] = field(default_factory=dict)
    logs: dict[Slot, bytes] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)

    async def wanted(self) -> Sequence[Workload]:
        return tuple(self.workloads.values())

    async def token(self, name: str) -> str:
        self._check_current(name)
        self.tokens.append(f"token-{len(self.tokens)}-of-{name}")
        return self.tokens[-1]

    async def observe(self, name: str, observation: Observation) -> None:
        self._check_current(name)
        self.observations.append((name, observation))
        match observation.phase:
            case Phase.PENDING:
                self.notices[name] = observation.message
            case Phase.RUNNING:
                self.notices.pop(name, None)
                if observation.ready_replicas is not None:
                    self.serving[name] = set(range(observation.ready_replicas))
            case Phase.BLOCKED:
                del self.workloads[name]
            case Phase.EXITED:
                self._end(self.workloads[name], observation)

    async def put_logs(self, name: str, replica: int, content: bytes) -> None:
        self._check_current(name)
        self.logs[name, replica] = content

    def told(self, phase: Phase) -> list[tuple[str, Observation]]:
        """Return the observations of one phase, by workload, in their order."""
        return [each for each in self.observations if each[1].phase is phase]

    def want(self, workload: Workload) -> None:
        self.workloads[workload.name] = workload

    def _end(self, workload: Workload, observation: Observation) -> None:
        if workload.kind is WorkloadKind.INFERENCE:
            self.serving.get(workload.name, set()).discard(observation.replica)
            return
        del self.workloads[workload.name]
        if observation.exit_code not in {0, 3, 4}:
            self.want(_next_attempt(workload))

    def _check_current(self, name: str) -> None:
        if name not in self.workloads:
            raise ProblemError(
                Problem(
                    type=PROBLEM_TYPE_PREFIX + NOT_CURRENT,
                    title="The workload is not current",
                    status=404,
                    detail=f"{name} is unknown or belongs to an attempt that is over.",
                )
            )


@dataclass
class FakeTopics:
    """Remembers which topics were asked for."""

    made: list[WantedTopic] = field(default_factory=list)

    async def ensure(self, topics: Sequence[WantedTopic]) -> None:
        self.made += topics


def _next_attempt(workload: Workload) -> Workload:
    attempt = workload.attempt + 1
    name = f"kafkaml-{workload.kind}-{workload.id}-{attempt}"
    return workload.model_copy(update={"name": name, "attempt": attempt})
