"""The folder of all replicas, shared by every executor and `stop_all` on this machine.

A lock on the whole folder is held for moments only: shared to look, alone to change. It
makes looking, starting, stopping and forgetting exclude each other across processes.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from orchestrator.exceptions import ExecutorError, StillRunningError, UnknownReplicaError
from orchestrator.executors.base import Replica
from orchestrator.executors.ending import end_at_once, request_end
from orchestrator.executors.recovery import restarts_after
from orchestrator.executors.replica_directory import ReplicaDirectory
from orchestrator.executors.replica_reader import read_ended, read_replica

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_TRASH = ".trash"
_LOCK_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to start one replica: its folder, made ready, and its held lock."""

    directory: ReplicaDirectory
    lock: int
    starts: int
    restarts: int


class WorkloadsDirectory:
    """Reads and changes the folders of the replicas; every call may block for moments."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def replicas(self) -> list[Replica]:
        """Return every replica that runs or has ended, ordered by name and number."""
        with self._locked(fcntl.LOCK_SH):
            seen = (read_replica(directory) for directory in self._directories())
            return [replica for replica in seen if replica is not None]

    def claim(self, name: str, replica: int, *, starts: int) -> Claim | None:
        """Take the right to start a replica; None if it runs or was started meanwhile."""
        with self._locked(fcntl.LOCK_EX):
            directory = self._directory(name, replica)
            directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = directory.lock_exclusively()
            if lock is None:
                return None
            if directory.starts != starts:
                os.close(lock)
                return None
            restarts = restarts_after(read_ended(directory))
            directory.prepare()
            return Claim(directory, lock, starts + 1, restarts)

    def stop(self, name: str, replica: int, grace: timedelta) -> None:
        """Ask a replica to end; once `grace` is over, see to it."""
        with self._locked(fcntl.LOCK_EX):
            directory = self._directory(name, replica)
            if directory.is_locked():
                request_end(directory, grace)

    def kill(self, name: str, replica: int) -> None:
        """End a replica at once; a living runner still records how it ended."""
        with self._locked(fcntl.LOCK_EX):
            directory = self._directory(name, replica)
            if directory.is_locked():
                end_at_once(directory)

    def read_log(self, name: str, replica: int, limit: int) -> bytes:
        with self._locked(fcntl.LOCK_SH):
            directory = self._directory(name, replica)
            if not directory.path.exists():
                raise UnknownReplicaError(name, replica)
            return directory.read_log(limit)

    def forget(self, name: str, replica: int) -> None:
        """Remove a replica that has ended; nothing happens if it is gone."""
        with self._locked(fcntl.LOCK_EX):
            directory = self._directory(name, replica)
            if not directory.path.exists():
                return
            if directory.is_locked():
                raise StillRunningError(name, replica)
            if child := directory.identity("child"):
                child.kill_orphaned_group()
            self._throw_away(directory.path)
        shutil.rmtree(self._path / _TRASH, ignore_errors=True)

    def _throw_away(self, path: Path) -> None:
        # A rename removes the whole folder at once; deleting it may be cut short.
        trash = self._path / _TRASH
        trash.mkdir(mode=0o700, exist_ok=True)
        path.rename(trash / uuid4().hex)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()

    def _directories(self) -> Iterator[ReplicaDirectory]:
        for workload in sorted(self._path.iterdir()):
            if workload.is_dir() and _NAME.fullmatch(workload.name):
                numbers = (each.name for each in workload.iterdir() if each.name.isdigit())
                for number in sorted(numbers, key=int):
                    yield ReplicaDirectory(workload / number)

    def _directory(self, name: str, replica: int) -> ReplicaDirectory:
        if not _NAME.fullmatch(name) or replica < 0:
            raise ExecutorError(f"{name[:80]!r}, {replica}: no name of a replica")
        return ReplicaDirectory(self._path / name / str(replica))

    @contextmanager
    def _locked(self, operation: int) -> Iterator[None]:
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _lock_in_time(descriptor, operation)
                yield
            finally:
                os.close(descriptor)
        except OSError as e:
            raise ExecutorError(f"{self._path} cannot be used: {e}") from e


def _lock_in_time(descriptor: int, operation: int) -> None:
    deadline = time.monotonic() + _LOCK_TIMEOUT.total_seconds()
    while True:
        try:
            return fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError as e:
            if time.monotonic() > deadline:
                raise ExecutorError("another process holds the workloads folder") from e
        time.sleep(0.005)
