"""From the records of announced ranges to one array of features and one of labels.

The order is that of the ranges in the control message, within one that of the offsets, so
the same message gives the same arrays, however Kafka delivered the records.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kafkaml.control import ControlMessage, TopicRange
from kafkaml.exceptions import FormatError
from kafkaml.records import Decoded, RecordFormat, record_format
from kafkaml.schemas.deployments import BadRecords
from kafkaml.schemas.results import SkippedRecords
from kafkaml.schemas.states import FailureReason
from trainer.data.bad_records import BadRecordLog
from trainer.data.record_files import RecordFiles
from trainer.data.stream import RecordBatch
from trainer.exceptions import StreamError

Array = NDArray[Any]

MAX_WHERE = 200  # characters of ranges in a message


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a stream, decoded once, and where each was in Kafka.

    `features` has shape `(records, *shape of a record)`, `labels` `(records, *shape of a
    label)`. `sources` holds each range with the row that its first record has. Without a
    finite value are `not_finite` records, the first of them in row `first_not_finite`.
    """

    features: Array
    labels: Array
    offsets: NDArray[np.int64]
    sources: tuple[tuple[int, TopicRange], ...]
    skipped: SkippedRecords | None = None
    not_finite: int = 0
    first_not_finite: int = 0

    def coordinates(self, row: int) -> str:
        """Return `topic:partition:offset` of the record in this row."""
        index = bisect_right(self.sources, row, key=lambda source: source[0]) - 1
        _, source = self.sources[index]
        return f"{source.topic}:{source.partition}:{self.offsets[row]}"


class RecordCollector:
    """Decodes batches as they come and writes them to files, so that memory stays small.

    The files are in a folder that exists, and may have `max_bytes` together. What is wrong
    with the records ends in a StreamError, a full disk in a DiskError.
    """

    def __init__(
        self,
        announced: ControlMessage,
        *,
        directory: Path,
        bad_records: BadRecords | None = None,
        max_bytes: int | None = None,
    ) -> None:
        self._format = _format_of(announced)
        self._expected = announced.total_msg
        self._where = f"{announced.topic:.{MAX_WHERE}}"
        self._files = RecordFiles(directory, expected=self._expected, max_bytes=max_bytes)
        self._bad = BadRecordLog(
            bad_records or BadRecords(), at_most=sum(len(each) for each in announced.ranges)
        )
        self._sources: list[tuple[int, TopicRange]] = []
        self._read = 0
        self._not_finite: list[int] = []  # how many, and the row of the first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.close()

    def add(self, batch: RecordBatch) -> None:
        """Decode and keep the records of a batch."""
        if not self._sources or self._sources[-1][1] != batch.source:
            self._sources.append((self._files.count, batch.source))
        if not batch.offsets:
            return
        self._read += len(batch.offsets)
        features = self._format.features.decode(batch.values)
        labels = self._format.labels.decode(
            batch.values if self._format.labels_in_value else batch.keys
        )
        reasons = self._reasons(features, labels, batch)
        offsets = _array_of(batch.offsets)
        if not reasons:
            self._keep(features.array, labels.array, offsets)
            return
        self._bad.add(batch, reasons)
        good = np.ones(len(batch.offsets), np.bool_)
        good[list(reasons)] = False
        if good.any():
            self._keep(
                features.array[good[features.good]],
                labels.array[good[labels.good]],
                offsets[good],
            )

    def finish(self) -> Records:
        """Return everything that was added; raise StreamError if that is not enough."""
        if self._expected is not None and self._read != self._expected:
            raise _wrong_count(self._read, self._expected, self._where)
        skipped = self._bad.summary(self._read)
        if not self._files.count:
            raise StreamError(
                FailureReason.BAD_STREAM if skipped else FailureReason.DATA_SHORT,
                f"all records of {self._where} are bad: is input_config that of the stream?"
                if skipped
                else f"{self._where} holds no records (any more): send them again",
            )
        features, labels, offsets = self._files.finish()
        count, first = self._not_finite or (0, 0)
        return Records(
            features, labels, offsets, tuple(self._sources), skipped, count, first
        )

    def _reasons(
        self, features: Decoded, labels: Decoded, batch: RecordBatch
    ) -> dict[int, str]:
        """Return what is wrong, by place in the batch."""
        reasons: dict[int, str] = {}
        parts = ((features, "the record"), (labels, "the label"))
        for number, (decoded, what) in enumerate(parts):
            shape = decoded.array.shape[1:]
            known = self._files.shapes[number] if self._files.shapes else shape
            if known != shape and len(decoded.good):
                reason = f"{what} has shape {shape}, those before have {known}"
                reasons.update((int(place), reason) for place in decoded.good)
            reasons.update((bad.index, bad.reason) for bad in decoded.bad)
        if labels.bad and not self._format.labels_in_value:
            for bad in labels.bad:
                if batch.keys[bad.index] is None:
                    reasons[bad.index] = "it has no label, its key is null"
        return reasons

    def _keep(self, features: Array, labels: Array, offsets: Array) -> None:
        self._look_for_numbers(features)
        self._files.append(features, labels, offsets)

    def _look_for_numbers(self, features: Array) -> None:
        """Count the records with a value that is not finite: a model may take them."""
        if features.dtype.kind != "f":
            return
        with np.errstate(all="ignore"):
            if np.isfinite(features.sum()):  # NaN and infinity outlast a sum
                return
        flat = features.reshape(len(features), -1)
        found = np.flatnonzero(~np.isfinite(flat).all(axis=1))
        if len(found):
            count, first = self._not_finite or (0, self._files.count + int(found[0]))
            self._not_finite = [count + len(found), first]


def _array_of(offsets: Sequence[int]) -> NDArray[np.int64]:
    if isinstance(offsets, range):
        return np.arange(offsets.start, offsets.stop)
    return np.asarray(offsets, np.int64)


def _format_of(announced: ControlMessage) -> RecordFormat:
    try:
        return record_format(announced.input_format, announced.input_config)
    except FormatError as e:
        raise StreamError(FailureReason.BAD_STREAM, str(e)) from e


def _wrong_count(count: int, expected: int, where: str) -> StreamError:
    if count < expected:
        return StreamError(
            FailureReason.DATA_SHORT,
            f"{count} of {expected} announced records are in {where}: compaction or an "
            "aborted transaction took the others; send them again",
        )
    return StreamError(
        FailureReason.BAD_STREAM,
        f"{where} holds {count} records, but {expected} were announced: "
        "another producer wrote into the topic meanwhile; use a topic for this stream only",
    )
