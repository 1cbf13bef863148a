"""The arrays of a stream in files, written beside its reading."""

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from trainer.data.array_file import ArrayFile
from trainer.data.dataset import FEATURES_FILE, LABELS_FILE
from trainer.exceptions import DiskError

Array = NDArray[Any]
Block = tuple[Array, ...]

OFFSETS_FILE = "offsets.npy"
# Written at once: a file system takes few large pieces faster than many small ones.
PIECE_BYTES = 2**21


class RecordFiles:
    """Features, labels and offsets, a row each for every record.

    One piece of about `PIECE_BYTES` is written while the next one is collected. The files
    are in a folder that exists, and may have `max_bytes` together; they are to hold
    `expected` records, if that is known. A full disk raises DiskError, if not at once then
    with a later call.
    """

    def __init__(
        self, directory: Path, *, expected: int | None, max_bytes: int | None
    ) -> None:
        self._directory = directory
        self._expected = expected or 0
        self._max_bytes = max_bytes
        names = (FEATURES_FILE, LABELS_FILE, OFFSETS_FILE)
        self._files = [ArrayFile(directory / name) for name in names]
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._piece: list[Block] = []
        self._piece_bytes = 0
        self._row_bytes = 0
        self.shapes: list[tuple[int, ...]] | None = None
        self.count = 0

    def append(self, *block: Array) -> None:
        """Add at least one row to each file, of the shape that those before have."""
        is_first = self.shapes is None
        self.shapes = [each.shape[1:] for each in block]
        self._row_bytes = max(self._row_bytes, sum(each[:1].nbytes for each in block))
        self._piece.append(block)
        self._piece_bytes += sum(each.nbytes for each in block)
        self.count += len(block[0])
        if is_first or self._piece_bytes >= PIECE_BYTES:
            self._check_room()
            self._hand_over()

    def finish(self) -> list[Array]:
        """Return the rows of each file, mapped into memory."""
        self._hand_over()
        self._await_writer()
        return [each.finish() for each in self._files]

    def close(self) -> None:
        """Let go of the files, once what is being written is there."""
        self._writer.shutdown()
        for each in self._files:
            each.close()

    def _hand_over(self) -> None:
        self._await_writer()
        self._writing = self._writer.submit(self._write, self._piece)
        self._piece, self._piece_bytes = [], 0

    def _await_writer(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _write(self, piece: list[Block]) -> None:
        for block in piece:
            for file, rows in zip(self._files, block, strict=True):
                file.append(rows)

    def _check_room(self) -> None:
        """Raise DiskError when it is plain that the records are too many."""
        self._await_writer()
        count = max(self.count, self._expected)
        needed = self._row_bytes * count
        written = self._row_bytes * self._files[-1].count
        room = written + shutil.disk_usage(self._directory).free
        if self._max_bytes is not None:
            room = min(room, self._max_bytes)
        if needed > room:
            raise DiskError(
                f"{count} records of {self._row_bytes} bytes need {_mebibytes(needed)}, "
                f"but {self._directory} has room for {_mebibytes(room)}: give the "
                "trainer's work directory more (on Kubernetes "
                "KAFKA_ML_KUBERNETES_TEMPORARY_BYTES, with Docker, where it is memory, "
                "resources.memory and KAFKA_ML_DOCKER_TEMPORARY_BYTES), or send fewer "
                "records"
            )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
