"""The folder of one replica: what its runner and every executor agree on.

    lock         held by the runner and its child for as long as one of them lives
    run.json     written by the runner: its identity, which start this is, and when
    child.json   the identity of the child, written by itself before it runs the command
    stop.json    somebody asked it to stop, and when
    exit.json    how it ended, written by the runner before it lets go of the lock
    log.txt      the newest output; log.1.txt is the part before
    work/        the current directory and HOME of the child

Locked: running. Unlocked with exit.json: ended. Unlocked with only run.json: lost.
Only the standard library and psutil: the runner has to start fast.
"""

import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.executors.processes import ProcessIdentity

OF_ONE_RUN = ("run.json", "child.json", "stop.json", "exit.json")


@dataclass(frozen=True, slots=True)
class ReplicaDirectory:
    """The paths and records of one replica."""

    path: Path

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def older_log(self) -> Path:
        return self.path / "log.1.txt"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def starts(self) -> int:
        """How often the replica was started; 0 if there is no trace of a start."""
        return int((self.read("run") or {}).get("starts", 0))

    def read(self, record: str) -> dict[str, Any] | None:
        """Return a record, or None if it is not there."""
        try:
            content = json.loads((self.path / f"{record}.json").read_bytes())
        except FileNotFoundError:
            return None
        return content if isinstance(content, dict) else None

    def write(self, record: str, content: dict[str, Any]) -> None:
        """Write a record so that it is there whole or not at all, even after a crash."""
        path = self.path / f"{record}.json"
        temporary = path.with_suffix(f".{os.getpid()}")
        with temporary.open("w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def identity(self, record: str) -> ProcessIdentity | None:
        """Return which process wrote `run` or `child`."""
        content = self.read(record)
        return None if content is None else ProcessIdentity.from_record(content["process"])

    def write_identity(self, record: str, **more: Any) -> None:
        """Record the calling process."""
        process = ProcessIdentity.of(os.getpid())
        if process is not None:
            self.write(record, {"process": process.to_record(), **more})

    def lock_exclusively(self) -> int | None:
        """Return a descriptor that holds the lock; None if another process holds it."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(descriptor)
            if isinstance(e, BlockingIOError):
                return None
            raise
        return descriptor

    def is_locked(self) -> bool:
        """Tell whether a runner, or the child that it left behind, is alive."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def prepare(self) -> None:
        """Remove what an earlier run left, except its log. The lock must be held."""
        if child := self.identity("child"):
            child.kill_orphaned_group()
        for name in OF_ONE_RUN:
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.work, ignore_errors=True)
        (self.work / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)

    def read_log(self, limit: int) -> bytes:
        """Return at most `limit` bytes, the newest ones."""
        newest = _tail(self.log, limit)
        return _tail(self.older_log, limit - len(newest)) + newest


def _tail(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            return file.read(limit)
    except FileNotFoundError:
        return b""
