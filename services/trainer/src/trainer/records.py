"""From the records of announced ranges to one array of features and one of labels.

The order is that of the ranges in the control message, within one that of the offsets, so
the same message gives the same arrays, however Kafka delivered the records.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.control import ControlMessage, TopicRange
from kafkaml.exceptions import FormatError
from kafkaml.records import Codec, Decoded, RecordFormat, record_format
from kafkaml.schemas.states import FailureReason
from trainer.exceptions import StreamError
from trainer.stream import RecordBatch

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a stream, decoded once, and where each was in Kafka.

    `features` has shape `(records, *shape of a record)`, `labels` `(records, *shape of a
    label)`. `sources` holds each range with the row that its first record has.
    """

    features: Array
    labels: Array
    offsets: NDArray[np.int64]
    sources: tuple[tuple[int, TopicRange], ...]

    def coordinates(self, row: int) -> str:
        """Return `topic:partition:offset` of the record in this row."""
        index = bisect_right(self.sources, row, key=lambda source: source[0]) - 1
        _, source = self.sources[index]
        return f"{source.topic}:{source.partition}:{self.offsets[row]}"


class RecordCollector:
    """Decodes batches as they come; any bad record ends in a StreamError that names it."""

    def __init__(self, announced: ControlMessage) -> None:
        self._format = _format_of(announced)
        self._expected = announced.total_msg
        self._features: list[Array] = []
        self._labels: list[Array] = []
        self._offsets: list[list[int]] = []
        self._sources: list[tuple[int, TopicRange]] = []
        self._count = 0

    def add(self, batch: RecordBatch) -> None:
        """Decode and keep the records of a batch."""
        if not self._sources or self._sources[-1][1] != batch.source:
            self._sources.append((self._count, batch.source))
        if not batch.offsets:
            return
        self._features.append(self._decode(self._format.features, batch, batch.values))
        self._labels.append(
            self._decode(self._format.labels, batch, self._label_part(batch))
        )
        self._offsets.append(batch.offsets)
        self._count += len(batch.offsets)
        self._check_shape(self._features, batch, "the record")
        self._check_shape(self._labels, batch, "the label")

    def finish(self) -> Records:
        """Return everything that was added; raise StreamError if that is not enough."""
        if self._expected is not None and self._count != self._expected:
            raise _wrong_count(self._count, self._expected)
        if not self._count:
            raise StreamError(
                FailureReason.DATA_SHORT,
                "the announced ranges hold no records (any more): send them again",
            )
        return Records(
            np.concatenate(self._features),
            np.concatenate(self._labels),
            np.concatenate([np.asarray(each, np.int64) for each in self._offsets]),
            tuple(self._sources),
        )

    def _label_part(self, batch: RecordBatch) -> list[bytes | None]:
        if self._format.labels_in_value:
            return batch.values
        for offset, key in zip(batch.offsets, batch.keys, strict=True):
            if key is None:
                raise _bad_record(batch, offset, "it has no label, its key is null")
        return batch.keys

    def _decode(
        self, codec: Codec, batch: RecordBatch, content: list[bytes | None]
    ) -> Array:
        decoded: Decoded = codec.decode(content)
        if decoded.bad:
            first = decoded.bad[0]
            more = len(decoded.bad) - 1
            others = f" ({more} more of {len(content)} are bad, too)" if more else ""
            raise _bad_record(batch, batch.offsets[first.index], first.reason + others)
        return decoded.array

    def _check_shape(self, arrays: list[Array], batch: RecordBatch, what: str) -> None:
        usual, shape = arrays[0].shape[1:], arrays[-1].shape[1:]
        if shape != usual:
            reason = f"{what} has shape {shape}, those before have {usual}"
            raise _bad_record(batch, batch.offsets[0], reason)


def _format_of(announced: ControlMessage) -> RecordFormat:
    try:
        return record_format(announced.input_format, announced.input_config)
    except FormatError as e:
        raise StreamError(FailureReason.BAD_STREAM, str(e)) from e


def _bad_record(batch: RecordBatch, offset: int, reason: str) -> StreamError:
    source = batch.source
    return StreamError(
        FailureReason.BAD_STREAM,
        f"record {source.topic}:{source.partition}:{offset}: {reason}",
    )


def _wrong_count(count: int, expected: int) -> StreamError:
    if count < expected:
        return StreamError(
            FailureReason.DATA_SHORT,
            f"{count} of {expected} announced records are in the announced ranges: "
            "compaction or an aborted transaction took the others; send them again",
        )
    return StreamError(
        FailureReason.BAD_STREAM,
        f"the announced ranges hold {count} records, but {expected} were announced: "
        "another producer wrote into the topic meanwhile; use a topic for this stream only",
    )
