"""Processes of this machine, known by more than a number that is soon used again."""

import os
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psutil

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process id with what tells it from a later process of the same id.

    `start` does not depend on the wall clock, which may be set while the process runs.
    """

    pid: int
    start: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the identity of a process; None if there is none, or only a zombie."""
        start = _start_of(pid)
        return None if start is None else cls(pid, start, _boot())

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        return cls(record["pid"], record["start"], record["boot"])

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_alive(self) -> bool:
        return ProcessIdentity.of(self.pid) == self

    def send(self, number: signal.Signals) -> bool:
        """Signal the process; False if it is gone."""
        if not self.is_alive:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return True

    def send_to_group(self, number: signal.Signals) -> bool:
        """Signal the process group that this process leads; False if it is gone."""
        if not self.is_alive:
            return False
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        return True

    def kill_orphaned_group(self) -> None:
        """Kill what is left of the group after its leader has died.

        While a group has members the kernel gives its number to no new process, so if no
        process has the number, the group is still the one that was led by this process.
        """
        if self.boot == _boot() and not psutil.pid_exists(self.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _start_of(pid: int) -> str | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return _start_without_proc(pid)
    # The name before the last bracket may hold anything; the state follows, and as the
    # 20th field from there the start in clock ticks since the machine came up.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _start_without_proc(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return str(process.create_time())
    except psutil.Error:
        return None
