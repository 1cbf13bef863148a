"""What every executor does, and what it sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from kafkaml.schemas.workloads import Phase, Workload

MAX_LOG_BYTES = 1024 * 1024


class Run(NamedTuple):
    """One start of one replica; `starts` counts from 1."""

    name: str
    replica: int
    starts: int


@dataclass(frozen=True, slots=True)
class Replica:
    """What an executor sees of one replica.

    `starts` counts every start, `restarts` those since it last ran for a good while.
    `exit_code` is 128 + n if signal n ended it, and None if it left none. `log_revision`
    changes whenever the log grows. `message` is what the executor knows beyond the code:
    of a pending or blocked one, what it waits for. `platform` is the database that wanted
    it, where that is known. `size` is how many replicas were asked for, from an executor
    that keeps the number of an inference's replicas by itself; it counts those that are
    ready, too. Of such a set there is always at least the entry of replica 0.
    """

    name: str
    replica: int
    phase: Phase
    starts: int = 1
    restarts: int = 0
    exit_code: int | None = None
    reason: str | None = None
    message: str = ""
    started_at: datetime | None = None
    exited_at: datetime | None = None
    log_revision: int = 0
    platform: UUID | None = None
    size: int | None = None
    is_ready: bool = False

    @property
    def is_running(self) -> bool:
        return self.phase is not Phase.EXITED

    @property
    def run(self) -> Run:
        return Run(self.name, self.replica, self.starts)


class Executor(Protocol):
    """Where workloads run. Every call is safe to repeat, and raises `ExecutorError`."""

    async def list(self) -> Sequence[Replica]:
        """Return every replica that runs, or has ended and is not forgotten."""
        ...

    async def start(
        self,
        workload: Workload,
        replica: int,
        environment: Mapping[str, str],
        *,
        starts: int = 0,
    ) -> None:
        """Start one replica, unless somebody else did.

        `starts` is how many starts of it the caller has seen: if there were more, nothing
        happens. So two callers that both saw it missing, or ended, start it once. An
        executor that keeps the number of an inference's replicas by itself is only asked
        for replica 0, starts all of them, and corrects their number if some run.
        """
        ...

    async def stop(self, name: str, replica: int) -> None:
        """Ask a replica to end, and return at once; call again until it has ended.

        Of a set (see `Replica.size`) all replicas end.
        """
        ...

    async def log(self, name: str, replica: int) -> bytes:
        """Return the newest part of the log: UTF-8, at most `MAX_LOG_BYTES`."""
        ...

    async def forget(self, name: str, replica: int) -> None:
        """Remove all traces of a replica that has ended."""
        ...
