"""What the engine says about a container, as a replica."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kafkaml.schemas.states import ExitCode, FailureReason
from kafkaml.schemas.workloads import Phase
from orchestrator.builders.container import REPLICA, RESTARTS, SCOPE, STARTS, run_of
from orchestrator.builders.labels import PLATFORM, WORKLOAD
from orchestrator.builders.spare import SPARE
from orchestrator.executors.base import Replica, Run
from orchestrator.executors.docker.answers import Inspected, Listed

# What it said itself counts more than what the kernel did to one of its processes.
_SAID_BY_ITSELF = {
    ExitCode.ACCEPTED,
    ExitCode.MODEL_CODE,
    ExitCode.DATA,
    ExitCode.RETRYABLE,
    ExitCode.DRAINED,
}
_KILLED = 137


@dataclass(frozen=True, slots=True)
class Container:
    """A container of this installation: which start of which replica it is."""

    listed: Listed
    run: Run
    restarts: int
    platform: UUID

    @classmethod
    def from_listed(cls, listed: Listed) -> Self | None:
        """Return the container; None if its labels are not as this orchestrator writes.

        Those of one that was a spare do not tell its run: its name does. It has none in it
        as long as it is a spare.
        """
        labels = listed.labels
        try:
            if SPARE in labels:
                run, restarts = run_of(listed.name, labels[SCOPE]), 0
            else:
                run = Run(labels[WORKLOAD], int(labels[REPLICA]), int(labels[STARTS]))
                restarts = int(labels[RESTARTS])
            return cls(listed, run, restarts, UUID(labels[PLATFORM]))
        except (KeyError, ValueError):
            return None

    @property
    def id(self) -> str:
        return self.listed.id

    @property
    def may_lack_an_order(self) -> bool:
        """Tell whether it may have ended as the spare that it was."""
        return SPARE in self.listed.labels and not self.listed.is_running

    def to_replica(
        self, seen: Inspected, *, newest_line_at: int, killed_message: str
    ) -> Replica:
        """Return the replica; `newest_line_at` is in nanoseconds.

        `killed_message` says why it was killed, if the kernel did not do it.
        """
        if seen.is_running:
            return self._replica(seen, phase=Phase.RUNNING, log_revision=newest_line_at)
        exited_at = seen.finished_at or seen.started_at
        return self._replica(
            seen,
            phase=Phase.EXITED,
            exited_at=exited_at,
            # Once more at the end, whether the log has grown since or not.
            log_revision=_revision_of(exited_at),
            **_end_of(seen, killed_message),
        )

    def _replica(self, seen: Inspected, **more: Any) -> Replica:
        return Replica(
            name=self.run.name,
            replica=self.run.replica,
            starts=self.run.starts,
            restarts=self.restarts,
            platform=self.platform,
            started_at=seen.started_at,
            **more,
        )


def _end_of(seen: Inspected, killed_message: str) -> dict[str, Any]:
    """Return the code, reason and message with which a container ended."""
    end: dict[str, Any] = {"exit_code": seen.exit_code, "message": seen.error}
    if seen.exit_code in _SAID_BY_ITSELF:
        return end
    if seen.is_oom_killed:
        limit = f"{seen.memory_bytes / 2**20:.0f} MiB"
        text = f"The limit is {limit}; files that it wrote to /tmp count."
        return end | {"reason": FailureReason.OOM.value, "message": text}
    if seen.exit_code == _KILLED and killed_message:
        return end | {"message": killed_message}
    return end


def _revision_of(time: datetime | None) -> int:
    return 0 if time is None else int(time.timestamp() * 10**6)
