"""From records as they come to updates of a model: so many each, in the order as read."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.records import RecordFormat
from kafkaml.schemas.deployments import BadRecords
from kafkaml.schemas.results import SkippedRecords
from trainer.data.array_file import disk_errors
from trainer.data.bad_records import BadRecordLog
from trainer.data.records import Records
from trainer.data.stream import RecordBatch
from trainer.incremental.reservoir import Rows
from trainer.messages import update_files

# A rate says nothing about fewer records.
JUDGED_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """Decoded records, and the next offset of each partition after them."""

    features: NDArray[Any]
    labels: NDArray[Any]
    positions: dict[int, int]

    @property
    def rows(self) -> Rows:
        return self.features, self.labels

    def save(self, directory: Path, number: int) -> None:
        """Write the files that the model's process reads and removes."""
        names = update_files(number)
        for name, array in zip(names, self.rows, strict=True):
            with disk_errors(directory), (directory / name).open("xb") as file:
                np.save(file, array, allow_pickle=False)


@dataclass(slots=True)
class _Block:
    partition: int
    offsets: NDArray[np.int64]
    features: NDArray[Any]
    labels: NDArray[Any]

    def split(self, count: int) -> "tuple[_Block, _Block]":
        parts = [
            _Block(
                self.partition,
                self.offsets[part],
                self.features[part],
                self.labels[part],
            )
            for part in (slice(None, count), slice(count, None))
        ]
        return parts[0], parts[1]


class UpdateCollector:
    """Decodes batches and cuts them into updates.

    `check` sees the good records of each batch. Bad ones end in a StreamError, or are left
    out, as `bad_records` says.
    """

    def __init__(
        self,
        record_format: RecordFormat,
        *,
        bad_records: BadRecords,
        check: Callable[[Records], None],
    ) -> None:
        self._format = record_format
        self._check = check
        self._bad = BadRecordLog(bad_records, at_most=2**62)
        self._blocks: deque[_Block] = deque()
        self._shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self._positions: dict[int, int] = {}
        self.read = 0
        self.pending = 0
        self.row_bytes = 0

    def add(self, batch: RecordBatch) -> None:
        """Decode and keep the records of a batch that are good."""
        self.read += len(batch.offsets)
        features = self._format.features.decode(batch.values)
        in_value = self._format.labels_in_value
        labels = self._format.labels.decode(batch.values if in_value else batch.keys)
        reasons = {bad.index: bad.reason for bad in (*features.bad, *labels.bad)}
        if not in_value:
            for bad in labels.bad:
                if batch.keys[bad.index] is None:
                    reasons[bad.index] = "it has no label, its key is null"
        offsets = np.asarray(batch.offsets, np.int64)
        good = np.ones(len(offsets), np.bool_)
        if reasons:
            self._bad.add(batch, reasons)
            if self.read >= JUDGED_RECORDS:
                self._bad.summary(self.read)
            good[list(reasons)] = False
        if good.any():
            self._keep(
                batch,
                _Block(
                    batch.source.partition,
                    offsets[good],
                    features.array[good[features.good]],
                    labels.array[good[labels.good]],
                ),
            )

    def take(self, count: int) -> RecordUpdate:
        """Return the next so many records; there must be as many."""
        taken: list[_Block] = []
        while count:
            block = self._blocks.popleft()
            if len(block.offsets) > count:
                block, rest = block.split(count)
                self._blocks.appendleft(rest)
            taken.append(block)
            count -= len(block.offsets)
            self.pending -= len(block.offsets)
            self._positions[block.partition] = int(block.offsets[-1]) + 1
        return RecordUpdate(
            np.concatenate([each.features for each in taken]),
            np.concatenate([each.labels for each in taken]),
            dict(self._positions),
        )

    def skipped(self) -> SkippedRecords | None:
        """Return what was left out; raise StreamError if that is too much."""
        return self._bad.summary(self.read)

    def _keep(self, batch: RecordBatch, block: _Block) -> None:
        shapes = block.features.shape[1:], block.labels.shape[1:]
        if self._shapes not in {None, shapes}:
            reason = f"it has shapes {shapes}, those before have {self._shapes}"
            self._bad.add(batch, dict.fromkeys(range(len(batch.offsets)), reason))
            return
        self._shapes = shapes
        self._check(
            Records(block.features, block.labels, block.offsets, ((0, batch.source),))
        )
        self._blocks.append(block)
        self.pending += len(block.offsets)
        self.row_bytes = block.features[:1].nbytes + block.labels[:1].nbytes


def ranges_text(topic: str, starts: Mapping[int, int], ends: Mapping[int, int]) -> str:
    """Return what was read, as a control message announces it."""
    return ",".join(
        f"{topic}:{partition}:{start}:{ends[partition]}"
        for partition, start in sorted(starts.items())
        if ends.get(partition, start) > start
    )
