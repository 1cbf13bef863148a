"""The trainer's line to a process that waits to be forked for a model's code.

Packets of JSON pass: a `Spawn` there, with three open files; the child's process id and,
once it has ended, its exit code back. Any packet in between, or a cut line, ends the child.
"""

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from trainer.exceptions import PlatformError

MAX_PACKET_BYTES = 64 * 2**10
ANSWER_SECONDS = 60.0
END_SECONDS = 10.0
PRELOAD = "preload"
LOG = 2  # what a model prints goes to the trainer's log

# Those that a child of the trainer would have from it; it sets the others itself.
_INHERITED_LIMITS = (resource.RLIMIT_CPU, resource.RLIMIT_CORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a child is given: its folder, all of its environment, its ends of pipes."""

    directory: Path
    environment: Mapping[str, str]
    commands: int
    reports: int


@dataclass(frozen=True, slots=True)
class Spawn:
    """What a child is to be forked with, but for its open files."""

    directory: str
    environment: dict[str, str]
    limits: dict[str, tuple[int, int]]

    @classmethod
    def at(cls, place: Place) -> Self:
        limits = {str(each): resource.getrlimit(each) for each in _INHERITED_LIMITS}
        return cls(str(place.directory), dict(place.environment), limits)

    @classmethod
    def from_packet(cls, packet: bytes) -> Self:
        return cls(**json.loads(packet))

    def to_packet(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Standby:
    """A process that forks one child after the other, and ends with this object."""

    def __init__(
        self,
        line: socket.socket,
        *,
        process: subprocess.Popen[bytes] | None = None,
        end_seconds: float = END_SECONDS,
    ) -> None:
        self._line = line
        self._process = process
        self._end_seconds = end_seconds
        self.is_taken = False

    @classmethod
    def inherited(cls, descriptor: int | None) -> Self | None:
        """Return the one that waits at an open file; None if there is no such file."""
        if descriptor is None:
            return None
        try:
            os.set_inheritable(descriptor, False)
            return cls(socket.socket(fileno=descriptor))
        except OSError:
            return None

    @classmethod
    def start(cls, environment: Mapping[str, str], *, preload: bool = False) -> Self:
        """Start one that has yet to import TensorFlow: at once, or only in its children."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # no shell, our own arguments
                [
                    *(sys.executable, "-I", "-u", "-X", "faulthandler"),
                    *("-m", "trainer.sandbox.standby_process", str(theirs.fileno())),
                    *([PRELOAD] if preload else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=LOG,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return cls(ours, process=process)

    def spawn(self, place: Place) -> "Child":
        """Have a child forked; raise PlatformError if that cannot be had."""
        self.is_taken = True
        try:
            files = [place.commands, place.reports, LOG]
            socket.send_fds(self._line, [Spawn.at(place).to_packet()], files)
            process_id = self.receive(ANSWER_SECONDS)
        except OSError as e:
            raise self._failed(str(e)) from e
        if process_id is None:
            raise self._failed(f"no answer within {ANSWER_SECONDS:g} s")
        return Child(standby=self, process_id=process_id)

    def receive(self, seconds: float) -> int | None:
        """Return the next number, or None; raise OSError if the line is cut."""
        if not select.select([self._line], [], [], seconds)[0]:
            return None
        packet = self._line.recv(MAX_PACKET_BYTES)
        if not packet:
            raise ConnectionResetError("it has ended")
        return int(packet)

    def end_child(self) -> None:
        with suppress(OSError):  # it is gone, and has taken the child along
            self._line.send(b"end")

    def close(self) -> None:
        """Let it end, with its child if there is one."""
        self._line.close()
        if self._process is None:
            return
        try:
            self._process.wait(self._end_seconds)
        except subprocess.TimeoutExpired:  # it still imports, or hangs
            self._process.kill()
            self._process.wait()

    def _failed(self, why: str) -> PlatformError:
        self.close()
        return PlatformError(f"the model's process could not be started: {why}")


class Child:
    """A forked child, which runs or has ended."""

    def __init__(self, *, standby: Standby, process_id: int) -> None:
        self.process_id = process_id
        self._standby = standby
        self._code: int | None = None

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, negative for a signal; None if it runs on for so long."""
        if self._code is None:
            try:
                self._code = self._standby.receive(seconds)
            except OSError:
                self._code = -signal.SIGKILL  # the child ends with its standby
            else:
                self._standby.is_taken = self._code is None
        return self._code

    def end(self) -> None:
        """End it and all that it has started; what has ended already is fine."""
        if self._code is None:
            self._standby.end_child()
            self.wait(END_SECONDS)
