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
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import orjson

from kafkaml.formats.audio import AudioFormat
from kafkaml.formats.image import ImageFormat
from kafkaml.records.media.exceptions import UnusableError
from kafkaml.records.media.messages import (
    MAX_REASON,
    RECORD_SECONDS,
    Batch,
    report_line,
    unpack,
)

Decode = Callable[[Any, bytes], Any]

MEMORY_BYTES = 6 * 2**30


def main() -> None:
    """Serve the format that the first argument describes.

    The others are the two files and the seconds that a record may take to compute.
    """
    reports = os.dup(1)
    os.dup2(2, 1)  # what libraries print goes to the log
    described = _described(sys.argv[1])
    try:
        from kafkaml.records.media.decoders import decode
    except Exception as e:  # noqa: BLE001  # a library that does not load raises anything
        _send(reports, unable=f"{type(e).__name__}: {e}"[:MAX_REASON])
        return
    _send(reports, ready=True)
    inputs, results = map(int, sys.argv[2:4])
    worker = Worker(
        Decoding(described, decode, float(sys.argv[4])), reports, inputs, results
    )
    while (code := _in_fork(worker.serve)) != 0:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        _send(reports, lost=how)


@dataclass(frozen=True, slots=True)
class Decoding:
    """What records are, how one is decoded, and how long that may take."""

    described: ImageFormat | AudioFormat
    decode: Decode
    computing_seconds: float

    def limit(self) -> None:
        """Let this process be ended after so much time, unless this is called again.

        TensorFlow I/O's reader of FLAC computes for ever on some files that are cut short.
        """
        signal.setitimer(signal.ITIMER_PROF, self.computing_seconds)
        signal.setitimer(signal.ITIMER_REAL, RECORD_SECONDS)

    @staticmethod
    def unlimit() -> None:
        """Let it run on."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


class Worker:
    """Decodes batches, a thread for each core."""

    def __init__(self, decoding: Decoding, reports: int, inputs: int, results: int) -> None:
        self._decoding = decoding
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
        self._decoding.limit()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._one, repeat(batch.number), batch.rows))
        self._decoding.unlimit()

    def _one(self, number: int, row: int) -> None:
        reason = None
        try:
            content = unpack(self._inputs, row)
            array = self._decoding.decode(self._decoding.described, content)
            os.pwrite(self._results, array, row * array.nbytes)
        except UnusableError as e:
            reason = str(e)[:MAX_REASON]
        except Exception as e:  # noqa: BLE001  # whatever a library raises, it is the record
            reason = f"cannot be decoded: {type(e).__name__}: {e}"[:MAX_REASON]
        self._decoding.limit()
        _send(self._reports, batch=number, row=row, reason=reason)


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
