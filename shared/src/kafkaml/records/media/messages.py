"""What passes between a codec and its worker: commands and reports, a line of JSON each.

Records and results pass in two files that both have open. The input file begins with the
place of each record and the end of the last, as int64. A report fits into one atomic write
to a pipe, so that a worker that dies leaves no half of one.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson

MAX_REASON = 300
CPU_SECONDS = 3
RECORD_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Batch:
    """Decode these records of the input file; `alone` in order, to tell which kills.

    Reports repeat the `number`, so that those of another batch are known as such.
    """

    number: int
    rows: tuple[int, ...]
    alone: bool

    def to_line(self) -> bytes:
        return orjson.dumps(asdict(self)) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Batch":
        fields = orjson.loads(line)
        return cls(fields["number"], tuple(fields["rows"]), fields["alone"])


def report_line(**fields: Any) -> bytes:
    """Return a report: `ready`, `unable`, `begun`, `lost`, or `row` with its `reason`."""
    return orjson.dumps(fields) + b"\n"


def pack(records: Sequence[bytes]) -> bytes:
    """Return the content of the input file."""
    start = 8 * (len(records) + 1)
    lengths = [start, *map(len, records)]
    places = np.cumsum(lengths, dtype="<i8").tobytes()
    return b"".join((places, *records))


def unpack(file: int, row: int) -> bytes:
    """Return one record of the input file."""
    start, end = np.frombuffer(os.pread(file, 16, 8 * row), "<i8").tolist()
    return os.pread(file, end - start, start)
