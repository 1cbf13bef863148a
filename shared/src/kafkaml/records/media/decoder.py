"""A codec's hold on its worker process."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from typing import Any

import numpy as np
import orjson

from kafkaml.exceptions import CodecUnavailableError
from kafkaml.formats.audio import AudioFormat
from kafkaml.formats.image import ImageFormat
from kafkaml.records.base import Array
from kafkaml.records.media.messages import CPU_SECONDS, Batch, pack

START_SECONDS = 300.0
PATIENCE_SECONDS = 60.0
END_SECONDS = 10.0
MAX_LINE_BYTES = 65_536


class Decoder:
    """A running worker. It ends with this object, or when `close` is called."""

    def __init__(
        self,
        described: ImageFormat | AudioFormat,
        *,
        computing_seconds: float = CPU_SECONDS,
        python: str = sys.executable,
    ) -> None:
        """Start the worker; a record that takes more time to compute is given up."""
        self._dtype = np.dtype(described.dtype)
        self._shape = described.shape
        self._computing_seconds = computing_seconds
        self._inputs, self._results = _shared_file(), _shared_file()
        fields = orjson.dumps(asdict(described)).decode()
        self._process = _start(
            [python, fields, str(self._inputs), str(self._results), str(computing_seconds)],
            files=(self._inputs, self._results),
        )
        self.close = weakref.finalize(
            self, _end, self._process, (self._inputs, self._results)
        )
        self._received = bytearray()
        self._is_ready = False
        self._numbers = count()

    def decode(self, records: Sequence[bytes]) -> tuple[Array, list[str | None]]:
        """Return a row for each record, and what is wrong with it, if something is.

        Raises CodecUnavailableError if there is no worker, or it does not answer.
        """
        self.await_ready()
        table = np.empty((len(records), *self._shape), self._dtype)
        os.ftruncate(self._results, 0)
        os.ftruncate(self._results, table.nbytes)
        os.ftruncate(self._inputs, 0)
        _write(self._inputs, pack(records))
        reasons = self._reasons(len(records))
        _read(self._results, table)
        return table, reasons

    def await_ready(self) -> None:
        """Return once TensorFlow is imported; raise CodecUnavailableError if it is not."""
        if self._is_ready:
            return
        report = self._report(START_SECONDS)
        if "ready" not in report:
            raise CodecUnavailableError(
                "pictures and sounds are decoded by TensorFlow and TensorFlow I/O, which "
                f"cannot be loaded here: {report.get('unable')}"
            )
        self._is_ready = True

    def _reasons(self, records: int) -> list[str | None]:
        """Have all records decoded; those that a lost worker leaves, one by one."""
        done: dict[int, str | None] = {}
        how = self._run(tuple(range(records)), done, alone=False)
        while how is not None:
            rest = tuple(row for row in range(records) if row not in done)
            how = self._run(rest, done, alone=True)
            if how is not None:
                killer = next(row for row in rest if row not in done)
                done[killer] = self._fatal_reason(how)
        return [done[row] for row in range(records)]

    def _fatal_reason(self, how: str) -> str:
        if how in {signal.SIGALRM.name, signal.SIGPROF.name}:
            return (
                f"is not decoded after {self._computing_seconds:g} seconds of computing, "
                "so it is damaged"
            )
        return f"ends its decoder ({how}), so it is damaged or takes too much memory"

    def _run(
        self, rows: tuple[int, ...], done: dict[int, str | None], *, alone: bool
    ) -> str | None:
        """Have rows decoded; return how their worker ended, or None if it did not."""
        batch = Batch(next(self._numbers), rows, alone=alone)
        self._begin(batch)
        expected = set(rows)
        while expected:
            report = self._report(PATIENCE_SECONDS)
            if "lost" in report:
                return str(report["lost"])
            row = report.get("row")
            if report.get("batch") != batch.number or row not in expected:
                raise CodecUnavailableError("the decoder's process reports nonsense")
            expected.remove(row)
            reason = report.get("reason")
            done[row] = None if reason is None else str(reason)
        return None

    def _begin(self, batch: Batch) -> None:
        """Return once a fork has begun a batch.

        A fork that was lost meanwhile may have taken the command, or not. So it is sent
        again, and what a batch that is done twice reports then is passed over.
        """
        self._command(batch)
        while (report := self._report(PATIENCE_SECONDS)).get("begun") != batch.number:
            if "lost" in report:
                self._command(batch)

    def _command(self, batch: Batch) -> None:
        commands = self._process.stdin
        try:
            commands.write(batch.to_line())  # type: ignore[union-attr]
        except OSError as e:
            raise CodecUnavailableError("the decoder's process has ended") from e

    def _report(self, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (end := self._received.find(b"\n")) < 0:
            self._receive(deadline)
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return orjson.loads(line)  # type: ignore[no-any-return]

    def _receive(self, deadline: float) -> None:
        source = self._process.stdout.fileno()  # type: ignore[union-attr]
        left = max(0.0, deadline - time.monotonic())
        if not select.select([source], [], [], left)[0]:
            raise CodecUnavailableError("the decoder's process does not answer")
        content = os.read(source, MAX_LINE_BYTES)
        if not content or len(self._received) > MAX_LINE_BYTES:
            raise CodecUnavailableError("the decoder's process has ended: see the log")
        self._received += content


def _start(arguments: Sequence[str], *, files: tuple[int, int]) -> subprocess.Popen[bytes]:
    python, *rest = arguments
    return subprocess.Popen(  # noqa: S603  # no shell, our own arguments
        [
            *(python, "-I", "-W", "ignore::DeprecationWarning"),
            *("-m", "kafkaml.records.media.worker", *rest),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env=_environment(),
        pass_fds=files,
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """Return all that the worker is to see of its surroundings: no secrets."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": tempfile.gettempdir(),
        "CUDA_VISIBLE_DEVICES": "-1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _shared_file() -> int:
    """Return a file without a name, in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("kafkaml")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.pwrite(file, rest, len(content) - len(rest)) :]


def _read(file: int, table: Array) -> None:
    """Fill a table from a file; the worker may have cut it, so it is not mapped."""
    rest = memoryview(table.data).cast("B") if table.size else memoryview(b"")
    place = 0
    while place < len(rest):
        count = os.preadv(file, [rest[place:]], place)
        if not count:
            raise CodecUnavailableError("the decoder's process lost its results")
        place += count


def _end(process: subprocess.Popen[bytes], files: tuple[int, ...]) -> None:
    with suppress(ProcessLookupError):  # it has ended, and all of its group with it
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait(END_SECONDS)
    for file in files:
        os.close(file)
