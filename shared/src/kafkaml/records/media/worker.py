"""The process that decodes pictures and sounds.

It imports TensorFlow once and then forks. The fork decodes; if a record kills it, which a
decoder in C may do, or takes too long, the next fork is there at once. It has no secrets,
no environment and a limit of memory; standard output is for its reports.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import orjson

from kafkaml.formats.audio import AudioFormat
from kafkaml.formats.image import ImageFormat
from kafkaml.records.media.exceptions import UnusableError
from kafkaml.records.media.messages import (
    CPU_SECONDS,
    MAX_REASON,
    RECORD_SECONDS,
    Batch,
    report_line,
    unpack,
)

Decode = Callable[[Any, bytes], Any]

MEMORY_BYTES = 6 * 2**30


def main() -> None:
    """Serve the format that the first argument describes; the others name two files."""
    reports = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes to the log
    described = _described(sys.argv[1])
    try:
        from kafkaml.records.media.decoders import decode
    except Exception as e:  # noqa: BLE001  # a library that does not load raises anything
        _send(reports, unable=f"{type(e).__name__}: {e}"[:MAX_REASON])
        return
    _send(reports, ready=True)
    worker = Worker(described, decode, reports, int(sys.argv[2]), int(sys.argv[3]))
    while (code := _in_fork(worker.serve)) != 0:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        _send(reports, lost=how)


class Worker:
    """Decodes batches, a thread for each core."""

    def __init__(
        self, described: Any, decode: Decode, reports: int, inputs: int, results: int
    ) -> None:
        self._described = described
        self._decode = decode
        self._reports = reports
        self._inputs = inputs
        self._results = results

    def serve(self) -> None:
        """Do what is commanded until there is nobody any more."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        while line := _line():
            self._do(Batch.from_line(line))

    def _do(self, batch: Batch) -> None:
        _send(self._reports, begun=batch.number)
        threads = 1 if batch.alone else len(os.sched_getaffinity(0))
        _limit()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._one, repeat(batch.number), batch.rows))
        _limit(0, 0)

    def _one(self, number: int, row: int) -> None:
        reason = None
        try:
            array = self._decode(self._described, unpack(self._inputs, row))
            os.pwrite(self._results, array, row * array.nbytes)
        except UnusableError as e:
            reason = str(e)[:MAX_REASON]
        except Exception as e:  # noqa: BLE001  # whatever a library raises, it is the record
            reason = f"cannot be decoded: {type(e).__name__}: {e}"[:MAX_REASON]
        _limit()
        _send(self._reports, batch=number, row=row, reason=reason)


def _limit(computing: float = CPU_SECONDS, waiting: float = RECORD_SECONDS) -> None:
    """Let the process be ended after so many seconds, unless this is called again.

    TensorFlow I/O's reader of FLAC computes for ever on some files that are cut short.
    """
    signal.setitimer(signal.ITIMER_PROF, computing)
    signal.setitimer(signal.ITIMER_REAL, waiting)


def _described(text: str) -> ImageFormat | AudioFormat:
    fields = orjson.loads(text)
    return ImageFormat(**fields) if "height" in fields else AudioFormat(**fields)


def _line() -> bytes:
    """Return the next command, which nothing follows; nothing at the end."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 4096)
        if not part:
            return b""
        line += part
    return line


def _in_fork(work: Callable[[], None]) -> int:
    """Return how a fork of this process ended: its exit code, or a signal as negative."""
    process = os.fork()
    if not process:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _send(reports: int, **fields: Any) -> None:
    os.write(reports, report_line(**fields))


if __name__ == "__main__":
    main()
