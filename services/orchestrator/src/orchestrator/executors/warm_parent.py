"""The process that has imported TensorFlow, below which trainings are started at once."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock, Timer

import structlog

ANSWER_TIMEOUT = timedelta(seconds=10)
READY = b"ready"
MAX_PACKET_BYTES = 64 * 2**10

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WarmStart:
    """A program that waits for its standard input; the numbers that files have there.

    `standby` is the line to a process with TensorFlow imported, below that program.
    """

    order: int
    lock: int
    standby: int

    def hand_over(self, order: bytes) -> None:
        """Give the program its input: only now does it begin."""
        with os.fdopen(self.order, "wb") as pipe:
            pipe.write(order)

    def give_up(self) -> None:
        """Let the program end for want of an input."""
        os.close(self.order)


class WarmParent:
    """Keeps one such process, from when it is first of use until it has long been idle.

    What cannot be had from it is None, and then has to be started without it. Its calls
    may block for moments, and may be made by any thread.
    """

    def __init__(self, *, command: Sequence[str], idle: timedelta) -> None:
        self._command = list(command)
        self._idle = idle
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._is_ready = False
        self._timer: Timer | None = None

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str,
        lock: int,
        log: int,
    ) -> WarmStart | None:
        """Start a program below it, detached from this process; None if it is not ready."""
        with self._lock:
            line = self._ready_line()
            self._rest()
            if line is None:
                return None
            packet = json.dumps(
                {
                    "command": list(command),
                    "environment": dict(environment),
                    "directory": directory,
                }
            ).encode()
            try:
                return self._ask(line, packet, lock, log)
            except (OSError, ValueError, KeyError) as e:
                logger.warning("there is no warm start", reason=str(e))
                self._end()
                return None

    def is_ready(self) -> bool:
        """Say whether the next start is a warm one; have it prepared if not."""
        with self._lock:
            return self._ready_line() is not None

    def close(self) -> None:
        """End the process; what was started below it runs on."""
        with self._lock:
            self._end()

    @staticmethod
    def _ask(line: socket.socket, packet: bytes, lock: int, log: int) -> WarmStart:
        order_there, order = os.pipe()
        try:
            socket.send_fds(line, [packet], [order_there, lock, log])
            numbers = json.loads(line.recv(MAX_PACKET_BYTES))
            return WarmStart(order, numbers["lock"], numbers["standby"])
        except BaseException:
            os.close(order)
            raise
        finally:
            os.close(order_there)

    def _ready_line(self) -> socket.socket | None:
        """Return the line to it once it is ready; have it started if it does not run."""
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._begin()
        if self._line is None or self._is_ready:
            return self._line
        self._line.setblocking(False)
        with suppress(OSError):  # nothing has come yet, or it has ended
            self._is_ready = self._line.recv(len(READY)) == READY
        self._line.settimeout(ANSWER_TIMEOUT.total_seconds())
        return self._line if self._is_ready else None

    def _begin(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the operator's setting
                    self._command,
                    env=basic_environment(),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as e:
                ours.close()
                logger.warning("there is no warm start", reason=str(e))
                return
        self._line = ours

    def _rest(self) -> None:
        """End it once nothing was started for a while; its memory is worth more then."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = Timer(self._idle.total_seconds(), self.close)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()  # it may be busy importing, and has nothing to finish
            self._process.wait()
        self._process = self._line = self._timer = None
        self._is_ready = False


def basic_environment() -> dict[str, str]:
    """Return what any process needs, without anything of ours."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }
