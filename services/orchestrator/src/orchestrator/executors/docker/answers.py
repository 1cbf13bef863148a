"""What the engine answers, as far as it matters here.

A `KeyError`, `TypeError` or `ValueError` says that the answer is not as documented.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

_RUNNING = {"running", "paused", "restarting"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A container in a list.

    `image` is what it was made of: by name, or by digest if the name now means another one.
    """

    id: str
    name: str
    image: str
    state: str
    labels: Mapping[str, str]

    @classmethod
    def from_answer(cls, answer: Any) -> Self:
        return cls(
            id=answer["Id"],
            name=answer["Names"][0].removeprefix("/"),
            image=answer["Image"],
            state=answer["State"],
            labels=dict(answer["Labels"] or {}),
        )

    def as_unstarted(self) -> Self:
        """Return what is seen of one that never began with what it was to do."""
        return replace(self, state="created")

    @property
    def is_unstarted(self) -> bool:
        return self.state == "created"

    @property
    def is_running(self) -> bool:
        return self.state in _RUNNING

    @property
    def was_started(self) -> bool:
        return self.state not in {"created", "removing"}


@dataclass(frozen=True, slots=True)
class Inspected:
    """A container on its own; times are None if there are none yet."""

    state: str
    exit_code: int
    error: str
    is_oom_killed: bool
    started_at: datetime | None
    finished_at: datetime | None
    memory_bytes: int

    @classmethod
    def from_answer(cls, answer: Any) -> Self:
        state = answer["State"]
        return cls(
            state=state["Status"],
            exit_code=int(state["ExitCode"]),
            error=state["Error"],
            is_oom_killed=state["OOMKilled"],
            started_at=_time_of(state["StartedAt"]),
            finished_at=_time_of(state["FinishedAt"]),
            memory_bytes=int(answer["HostConfig"]["Memory"]),
        )

    @property
    def is_running(self) -> bool:
        return self.state in _RUNNING


def nanoseconds_of(text: str) -> int:
    """Return the nanoseconds since 1970 of a time as the engine writes it before a line."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 10**9 + int(fraction.ljust(9, "0"))


def _time_of(text: str) -> datetime | None:
    time = datetime.fromisoformat(text)
    return None if time.year == 1 else time.astimezone(UTC)
