"""The child process that runs a model's code, away from the trainer's secrets.

It has a cleared environment, a folder of its own and limits; it sees none of the trainer's
files but its two pipes, and ends when the trainer does.
"""

import os
import select
import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from pydantic import ValidationError

from trainer.deadline import Deadline
from trainer.exceptions import ModelCodeError, OutOfMemoryError, PlatformError, TrainerError
from trainer.messages import REPORTS, Command, Ready, Report
from trainer.sandbox.standby import Child, Place, Standby

MAX_LINE_BYTES = 32 * 2**20
READ_BYTES = 2**20
LOOK_SECONDS = 0.5
END_SECONDS = 10.0

logger = structlog.get_logger()

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
        # The same in a child that is forked from a process that must have no threads.
        "OPENBLAS_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
    }
    if gpus:
        return environment | {k: parent[k] for k in _GPU_VARIABLES if k in parent}
    return environment | {"CUDA_VISIBLE_DEVICES": "-1"}


class Sandbox:
    """A running child. Leaving the context ends it, and all that it started.

    `standby` is one that has TensorFlow imported; without it the child has to do that.
    """

    def __init__(
        self,
        *,
        directory: Path,
        environment: Mapping[str, str],
        standby: Standby | None = None,
    ) -> None:
        self._received = bytearray()
        self._is_ready = False
        self._is_open = True
        commands_of_child, self._commands = os.pipe()
        self._reports, reports_of_child = os.pipe()
        place = Place(
            directory=directory,
            environment=environment,
            commands=commands_of_child,
            reports=reports_of_child,
        )
        try:
            self._own_standby, self._child = _spawn(place, standby)
        except BaseException:
            os.close(self._reports)
            os.close(self._commands)
            raise
        finally:
            os.close(commands_of_child)
            os.close(reports_of_child)

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
        return self._child.process_id

    def send(self, command: Command) -> None:
        """Send a command; raise what `lost` returns if nobody takes it."""
        line = command.to_line()
        try:
            while line:
                line = line[os.write(self._commands, line) :]
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
            else:
                self.raise_if_lost()
            if deadline.passed:
                return self._parse(line) if (line := self._next_line()) else None

    def raise_if_lost(self) -> None:
        """Raise what `receive` would if the child has ended."""
        if self._child.wait(0) is not None:
            raise self._lost()

    def close(self) -> None:
        """End the child and everything that it started; a second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        os.close(self._reports)
        os.close(self._commands)
        self._child.end()
        if self._own_standby is not None:
            self._own_standby.close()

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
        code = self._child.wait(END_SECONDS)
        if code is None:
            return ModelCodeError("the model's code closed the connection to the trainer")
        return lost_error(code, is_ready=self._is_ready)


def _spawn(place: Place, standby: Standby | None) -> tuple[Standby | None, Child]:
    """Return a child and, unless it is of the given standby, the one that it is of."""
    if standby is not None and not standby.is_taken:
        try:
            return None, standby.spawn(place)
        except PlatformError as e:
            logger.warning("there is no warm start", reason=str(e))
    own = Standby.start(place.environment)
    return own, own.spawn(place)


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
