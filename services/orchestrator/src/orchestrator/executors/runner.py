"""The runner of one replica: a small process that outlives the orchestrator.

It is started with the replica's lock already held, reads a `RunOrder` from standard input
(so that the token in it is in no argument and no file), leaves its parent, and then starts,
watches, limits and at last buries one command. Standard library and psutil only.
"""

import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.executors.process_tree import ProcessTree, adopt_orphans
from orchestrator.executors.replica_directory import ReplicaDirectory

# The kernel's limit counts one process only, the watch counts all of them; this much later
# the kernel steps in where the watch is gone.
_CPU_MARGIN_SECONDS = 5
# Looking at the processes must not cost more than 2 % of a core.
_REST_PER_LOOK = 50


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What a runner is told; sizes are bytes, times seconds.

    `standby` is an open file for the command: the line to a process below the runner, which
    whoever forked both has already taken away from its parent.
    """

    directory: str
    lock: int
    starts: int
    restarts: int
    command: Sequence[str]
    environment: dict[str, str]
    memory_bytes: int
    memory_text: str
    cpu_seconds: int | None
    grace_seconds: float
    look_seconds: float
    log_bytes: int
    standby: int | None = None

    @property
    def files(self) -> list[int]:
        """What stays open in the command."""
        return [self.lock] if self.standby is None else [self.lock, self.standby]

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended; as it stands in `exit.json`."""

    exit_code: int | None
    reason: str | None = None
    message: str = ""

    def to_record(self) -> dict[str, Any]:
        return asdict(self) | {"exited_at": datetime.now(UTC).isoformat()}


class Alarm:
    """Wakes the runner when its child ends or it is asked to stop."""

    def __init__(self) -> None:
        self.is_stop_requested = False
        self._awake, self._wake = os.pipe()
        for end in (self._awake, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request_stop)
        for number in (signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, lambda *_: None)

    def wait(self, seconds: float) -> None:
        if select.select([self._awake], [], [], seconds)[0]:
            os.read(self._awake, 4096)

    def _request_stop(self, *_: object) -> None:
        self.is_stop_requested = True


class Runner:
    """Runs one command to its end."""

    def __init__(self, *, order: RunOrder, alarm: Alarm, tree: ProcessTree) -> None:
        self._order = order
        self._alarm = alarm
        self._tree = tree
        self._directory = ReplicaDirectory(Path(order.directory))
        self._peak_bytes = 0
        self._stop_asked_at: float | None = None

    def run(self) -> None:
        """Run the command, and leave `exit.json` behind."""
        self._directory.write_identity(
            "run",
            starts=self._order.starts,
            restarts=self._order.restarts,
            started_at=datetime.now(UTC).isoformat(),
        )
        try:
            child = self._start()
        except (OSError, subprocess.SubprocessError) as e:
            end = Exit(None, "platform", f"The command {self._order.command[0]}: {e}")
        else:
            end = self._watch(child)
        self._directory.write("exit", end.to_record())

    def _start(self) -> subprocess.Popen[bytes]:
        with self._directory.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the operator's setting says what to run
                self._order.command,
                cwd=self._directory.work,
                env=self._order.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._order.files,
                process_group=0,
                preexec_fn=self._prepare_child,  # noqa: PLW1509 - there is one thread only
            )

    def _prepare_child(self) -> None:
        self._directory.write_identity("child")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self._order.cpu_seconds is not None:
            soft = self._order.cpu_seconds + _CPU_MARGIN_SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + _CPU_MARGIN_SECONDS))

    def _watch(self, child: subprocess.Popen[bytes]) -> Exit:
        breach: Exit | None = None
        rest = 0.0
        while child.poll() is None:
            self._alarm.wait(rest)
            begin = time.monotonic()
            self._stop_if_asked(child)
            breach = breach or self._breach()
            if breach:
                self._kill(child)
            self._tree.reap(but=child.pid)
            self._rotate_log()
            look = time.monotonic() - begin
            rest = max(self._order.look_seconds, look * _REST_PER_LOOK)
        self._kill(child)
        self._rotate_log()
        return breach or self._exit_of(child)

    def _stop_if_asked(self, child: subprocess.Popen[bytes]) -> None:
        if not self._alarm.is_stop_requested:
            return
        now = time.monotonic()
        if self._stop_asked_at is None:
            self._stop_asked_at = now
            _send_to_group(child, signal.SIGTERM)
        elif now >= self._stop_asked_at + self._order.grace_seconds:
            self._kill(child)

    def _breach(self) -> Exit | None:
        used = self._tree.memory_bytes(self._order.memory_bytes)
        self._peak_bytes = max(self._peak_bytes, used)
        if used > self._order.memory_bytes:
            peak = f"{self._peak_bytes / 2**20:.0f} MiB"
            text = f"The limit is {self._order.memory_text}, it used {peak}."
            return Exit(128 + signal.SIGKILL, "oom", text)
        limit = self._order.cpu_seconds
        if limit is not None and self._tree.cpu_seconds() >= limit:
            return Exit(
                128 + signal.SIGXCPU, "deadline", f"The limit is {limit} s of CPU time."
            )
        return None

    def _kill(self, child: subprocess.Popen[bytes]) -> None:
        _send_to_group(child, signal.SIGKILL)
        self._tree.kill()

    def _exit_of(self, child: subprocess.Popen[bytes]) -> Exit:
        code = child.returncode
        if code == -signal.SIGXCPU:
            limit = self._order.cpu_seconds
            return Exit(128 - code, "deadline", f"The limit is {limit} s of CPU time.")
        if code == -signal.SIGKILL and self._stop_asked_at is not None:
            grace = self._order.grace_seconds
            return Exit(128 - code, None, f"It did not end within {grace:g} s of SIGTERM.")
        return Exit(code if code >= 0 else 128 - code)

    def _rotate_log(self) -> None:
        """Move the newest part of a full log aside, under the feet of its writer.

        The child writes to the file itself and not through a pipe, so it can go on if this
        process is killed. It appends, so it continues at the new end.
        """
        limit = self._order.log_bytes
        older = self._directory.older_log
        with self._directory.log.open("ab+") as log:
            size = log.seek(0, os.SEEK_END)
            if size > limit:
                log.seek(size - limit)
                with older.with_suffix(".new").open("wb") as copy:
                    shutil.copyfileobj(log, copy)
                older.with_suffix(".new").replace(older)
                log.truncate(0)


def _send_to_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The group outlives its leader, and keeps its number for as long as it does.
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _leave_parent() -> None:
    """Let the parent see an exit at once, and go on in a process that nobody waits for."""
    if os.fork():
        os._exit(0)


def main() -> None:
    """Run the order that stands on standard input."""
    order = RunOrder(**json.load(sys.stdin))
    os.umask(0o077)
    if order.standby is None:
        _leave_parent()
    adopt_orphans()
    Runner(order=order, alarm=Alarm(), tree=ProcessTree()).run()


if __name__ == "__main__":
    main()
