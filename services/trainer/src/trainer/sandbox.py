"""The child process that runs a model's code, away from the trainer's secrets.

It has a cleared environment, a folder of its own and limits; it sees none of the trainer's
files but its two pipes, and ends when the trainer does.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from pydantic import ValidationError

from trainer.deadline import Deadline
from trainer.exceptions import ModelCodeError, OutOfMemoryError, PlatformError, TrainerError
from trainer.messages import REPORTS, Command, Ready, Report

MAX_LINE_BYTES = 32 * 2**20
READ_BYTES = 2**20
LOOK_SECONDS = 0.5
END_SECONDS = 10.0

_GPU_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_VISIBLE_DEVICES",
)


def child_environment(
    parent: Mapping[str, str], *, directory: Path, threads: int, gpus: int
) -> dict[str, str]:
    """Return all that the child is to see of its surroundings."""
    environment = {
        "PATH": parent.get("PATH", os.defpath),
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "LANG": parent.get("LANG", "C.UTF-8"),
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
    }
    if gpus:
        return environment | {k: parent[k] for k in _GPU_VARIABLES if k in parent}
    return environment | {"CUDA_VISIBLE_DEVICES": "-1"}


class Sandbox:
    """A running child. Leaving the context ends it, and all that it started."""

    def __init__(self, *, directory: Path, environment: Mapping[str, str]) -> None:
        self._reports, reports_of_child = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  # no shell, our own arguments
                [
                    *(sys.executable, "-I", "-u", "-X", "faulthandler"),
                    *("-m", "trainer.child", str(reports_of_child)),
                ],
                stdin=subprocess.PIPE,
                stdout=2,  # what a model prints goes to the log
                cwd=directory,
                env=environment,
                pass_fds=[reports_of_child],
                start_new_session=True,
            )
        except BaseException:
            os.close(self._reports)
            raise
        finally:
            os.close(reports_of_child)
        self._commands = cast("IO[bytes]", self._process.stdin)
        self._received = bytearray()
        self._is_ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def send(self, command: Command) -> None:
        """Send a command; raise what `lost` returns if nobody takes it."""
        try:
            self._commands.write(command.to_line())
            self._commands.flush()
        except BrokenPipeError as e:
            raise self._lost() from e

    def receive(self, deadline: Deadline) -> Report | None:
        """Return the next report, or None if there is none until the deadline.

        Raise ModelCodeError, OutOfMemoryError or, before the source was run, PlatformError
        if the child ended, or sent something else than a report.
        """
        while True:
            line = self._next_line()
            if line is not None:
                return self._parse(line)
            pause = deadline.limit(LOOK_SECONDS)
            ready, _, _ = select.select([self._reports], [], [], pause)
            if ready:
                self._read()
            elif self._process.poll() is not None:
                raise self._lost()
            elif deadline.passed:
                return None

    def raise_if_lost(self) -> None:
        """Raise what `receive` would if the child has ended."""
        if self._process.poll() is not None:
            raise self._lost()

    def close(self) -> None:
        """End the child and everything that it started; a second call does nothing."""
        if self._reports < 0:
            return
        os.close(self._reports)
        self._reports = -1
        with suppress(ProcessLookupError):  # it has ended, and all of its group with it
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(BrokenPipeError):  # a command that the child no longer took
            self._commands.close()
        self._process.wait(END_SECONDS)

    def _next_line(self) -> bytes | None:
        end = self._received.find(b"\n")
        if end < 0:
            if len(self._received) > MAX_LINE_BYTES:
                raise ModelCodeError("the model's process sent a report without an end")
            return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _read(self) -> None:
        content = os.read(self._reports, READ_BYTES)
        if not content:
            raise self._lost()
        self._received += content

    def _parse(self, line: bytes) -> Report:
        try:
            report = REPORTS.validate_json(line)
        except ValidationError as e:
            first = e.errors(include_url=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ModelCodeError(
                f"the model's process sent a bad report: {place}: {first['msg']}"
            ) from e
        self._is_ready = self._is_ready or isinstance(report, Ready)
        return report

    def _lost(self) -> TrainerError:
        """Return what it means that the child has ended, or at least closed its pipe."""
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return ModelCodeError("the model's code closed the connection to the trainer")
        return lost_error(code, is_ready=self._is_ready)


def lost_error(code: int, *, is_ready: bool) -> TrainerError:
    """Return what it means that a child ended with this code and without a report.

    `code` is negative for a signal. Before the child was ready no code of the user had run.
    """
    if code == -signal.SIGKILL:
        return OutOfMemoryError(
            "the model's process was killed, as the system does with one that needs more "
            "memory than it may use: raise resources.memory, or use smaller batches"
        )
    how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
    if not is_ready:
        return PlatformError(f"TensorFlow could not be started ({how}): see the log")
    return ModelCodeError(
        f"the model's code ended its process ({how}) before it was done: see the log"
    )
