"""Processes that go on after the command that started them has ended."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from kafkaml_local.exceptions import PartError
from kafkaml_local.files import make_private_folder, write_private

POLL_SECONDS = 0.05
REAP_SECONDS = 10
START_TIME_TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """A process id with its start time: a later process with the same id is another."""

    pid: int
    started: float

    @classmethod
    def from_pid(cls, pid: int) -> "ProcessIdentity":
        return cls(pid=pid, started=psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs."""
        try:
            process = psutil.Process(self.pid)
            age_difference = abs(process.create_time() - self.started)
            if age_difference > START_TIME_TOLERANCE_SECONDS:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


class BackgroundProcess:
    """A process in a session of its own, remembered in a folder.

    The folder holds `process.json` from start to stop, and `log.txt` with all that the
    process writes. Another command finds the process again by the folder alone.
    """

    def __init__(self, *, directory: Path) -> None:
        self._record = directory / "process.json"
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None
        self.log = directory / "log.txt"

    def start(self, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Start the command, unless it runs already."""
        if self.is_running():
            return
        make_private_folder(self._directory)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                list(command),
                cwd=self._directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        identity = ProcessIdentity.from_pid(self._child.pid)
        write_private(self._record, json.dumps(asdict(identity)))

    def wait_ready(
        self, is_ready: Callable[[], bool], *, name: str, timeout: timedelta
    ) -> None:
        """Return when `is_ready` says so; raise `PartError` if it dies or is late."""
        deadline = time.monotonic() + timeout.total_seconds()
        while not is_ready():
            if not self.is_running():
                raise PartError(name, "has died", self.log)
            if time.monotonic() > deadline:
                late = f"is not ready after {timeout.total_seconds():.0f} seconds"
                raise PartError(name, late, self.log)
            time.sleep(POLL_SECONDS)

    def find(self) -> psutil.Process | None:
        """Return the process if it runs."""
        identity = self._identity()
        process = identity.find() if identity else None
        if process is None and self._child is not None:
            # The threads of a dying child may outlive its first one for a moment.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=REAP_SECONDS)
        return process

    def is_running(self) -> bool:
        return self.find() is not None

    def has_died(self) -> bool:
        """Say whether it was started, was never told to stop, and does not run."""
        return self._record.exists() and not self.is_running()

    def stop(
        self, *, grace: timedelta, stop_signal: signal.Signals = signal.SIGTERM
    ) -> None:
        """Ask the process to end, kill its group after the grace time, forget it."""
        process = self.find()
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(stop_signal)
            if not self._is_gone_within(grace):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                self._is_gone_within(timedelta(seconds=10))
        self._record.unlink(missing_ok=True)

    def _is_gone_within(self, timeout: timedelta) -> bool:
        deadline = time.monotonic() + timeout.total_seconds()
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _identity(self) -> ProcessIdentity | None:
        try:
            return ProcessIdentity(**json.loads(self._record.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
