"""What the status of an object says about a workload."""

from dataclasses import dataclass

from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.workloads import Phase

_MAX_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How a replica is; `reason` is set where it is blocked, or known why it ended.

    `message` is for people, a few sentences at most, often none. `exit_code` is None if it
    has not ended or left none.
    """

    phase: Phase
    reason: str | None = None
    message: str = ""
    exit_code: int | None = None


def running(message: str = "") -> Diagnosis:
    return Diagnosis(Phase.RUNNING, message=_short(message))


def pending(message: str = "") -> Diagnosis:
    return Diagnosis(Phase.PENDING, message=_short(message))


def blocked(reason: FailureReason, message: str) -> Diagnosis:
    return Diagnosis(Phase.BLOCKED, reason=reason.value, message=_short(message))


def exited(
    exit_code: int | None, reason: FailureReason | None = None, message: str = ""
) -> Diagnosis:
    name = reason.value if reason else None
    return Diagnosis(Phase.EXITED, name, _short(message), exit_code)


def sentence(text: str) -> str:
    """Return foreign text on one line, ending like a sentence; empty stays empty."""
    line = " ".join(text.split())
    return line if not line or line.endswith((".", "!", "?")) else f"{line}."


def _short(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else f"{message[: _MAX_MESSAGE - 1]}…"
