"""Names of workloads: `kafkaml-<kind>-<id>-<attempt>`."""

import re
from dataclasses import dataclass
from typing import Self

from api.exceptions import WorkloadNotCurrentError
from kafkaml.control import MAX_ID
from kafkaml.schemas.workloads import WorkloadKind

MAX_ATTEMPT = 2**31 - 1
CHECKPOINTS = "checkpoints"

_CHECKPOINT_KEY = re.compile(
    f"{CHECKPOINTS}/([1-9][0-9]{{0,18}})/([0-9a-f]{{64}})", re.ASCII
)

_NAME = re.compile(
    r"kafkaml-(check|training|inference)-([1-9][0-9]{0,18})-([1-9][0-9]{0,9})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class AttemptReference:
    """One attempt of a check, a training or an inference."""

    kind: WorkloadKind
    id: int
    attempt: int

    @property
    def name(self) -> str:
        """The name of the workload."""
        return f"kafkaml-{self.kind}-{self.id}-{self.attempt}"

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Read a name; raise WorkloadNotCurrentError if it cannot be one of ours."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise WorkloadNotCurrentError(name[:80])
        kind, number, attempt = match.groups()
        if int(number) > MAX_ID or int(attempt) > MAX_ATTEMPT:
            raise WorkloadNotCurrentError(name)
        return cls(WorkloadKind(kind), int(number), int(attempt))


def log_key(attempt: AttemptReference, replica: int) -> str:
    """Return where the log of a replica is stored."""
    return f"logs/{attempt.name}/{replica}.log"


def checkpoint_key(training_id: int, sha256: str) -> str:
    """Return where a checkpoint is stored: a new one never has the place of another."""
    return f"{CHECKPOINTS}/{training_id}/{sha256}"


def checkpoint_of_key(key: str) -> tuple[int, str] | None:
    """Return the training and the digest of a checkpoint's key; None if it is none."""
    match = _CHECKPOINT_KEY.fullmatch(key)
    return None if match is None else (int(match[1]), match[2])


def artifact_key(sha256: str) -> str:
    """Return where an artifact is stored: by its content."""
    return f"artifacts/{sha256}"
