"""What each part of the platform does at this moment."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from kafkaml_local.platform import Part


class PartState(StrEnum):
    """Whether a part runs, and if not, whether it should."""

    RUNNING = "running"
    STOPPED = "stopped"
    DIED = "died"


@dataclass(frozen=True, kw_only=True)
class PartStatus:
    """One part as it is now; memory in bytes, of the part and its children."""

    name: str
    state: PartState
    pid: int | None
    memory_bytes: int
    address: str
    log: Path

    @classmethod
    def from_part(cls, part: Part) -> "PartStatus":
        process = part.process.find()
        return cls(
            name=part.name,
            state=_state(part, process),
            pid=process.pid if process else None,
            memory_bytes=_memory_bytes(process) if process else 0,
            address=part.address,
            log=part.process.log,
        )


def _state(part: Part, process: psutil.Process | None) -> PartState:
    if process is not None:
        return PartState.RUNNING
    return PartState.DIED if part.process.has_died() else PartState.STOPPED


def _memory_bytes(process: psutil.Process) -> int:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_own_memory_bytes(member) for member in family)


def _own_memory_bytes(process: psutil.Process) -> int:
    """Return its share of memory (PSS): pages that many share are counted once in all."""
    try:
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", memory.rss))
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
