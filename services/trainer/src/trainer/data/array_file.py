"""An array that grows by rows in a file, so that it may be larger than memory."""

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from trainer.data.chunks import chunks_of
from trainer.exceptions import DiskError

Array = NDArray[Any]

BUFFER_BYTES = 2**16  # what is larger is written at once, without a copy
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise DiskError in place of an OSError that says that there is no room."""
    try:
        yield
    except OSError as e:
        if e.errno in _NO_ROOM:
            raise DiskError(f"there is no more room in {path}: {e.strerror}") from e
        raise


class ArrayFile:
    """Rows of one shape, written to a `.npy` file as they come.

    Nothing but a small buffer is kept in memory. Rows of a wider type than those before
    (longer texts) widen what is there. A full disk raises DiskError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb", BUFFER_BYTES)
        self._dtype: np.dtype[Any] | None = None
        self.shape: tuple[int, ...] | None = None
        self.count = 0

    @property
    def row_bytes(self) -> int:
        """The bytes of one row; 0 before there is any."""
        if self._dtype is None or self.shape is None:
            return 0
        return self._dtype.itemsize * math.prod(self.shape)

    def append(self, rows: Array) -> None:
        """Add rows of the shape that those before have."""
        with disk_errors(self._path):
            if self._dtype is None:
                self._begin(rows.dtype, rows.shape[1:])
            elif rows.dtype != self._dtype:
                self._widen(np.promote_types(self._dtype, rows.dtype))
            self._write(rows)

    def finish(self) -> Array:
        """Return all rows, mapped into memory: nothing is read before it is used."""
        with disk_errors(self._path):
            self._write_header()
            self._file.close()
        return np.load(self._path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let go of the file; what a full disk has no room for is lost anyway."""
        try:
            self._file.close()
        except OSError:
            self._file.close()

    def _begin(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self._dtype, self.shape = dtype, shape
        self._write_header()

    def _write(self, rows: Array) -> None:
        if len(rows):
            content = np.ascontiguousarray(rows, self._dtype).reshape(-1)
            self._file.write(content.view(np.uint8).data)
            self.count += len(rows)

    def _write_header(self) -> None:
        """Write a header that is as long for any number of rows, as NumPy sees to."""
        header = {
            "descr": (self._dtype or np.dtype(np.uint8)).str,
            "fortran_order": False,
            "shape": (self.count, *(self.shape or ())),
        }
        self._file.seek(0)
        npy.write_array_header_1_0(self._file, header)  # type: ignore[no-untyped-call]

    def _widen(self, dtype: np.dtype[Any]) -> None:
        if dtype == self._dtype:
            return
        narrow = self.finish()
        wide = self._path.with_suffix(".wide")
        self._file = wide.open("wb", BUFFER_BYTES)
        self._dtype, self.count = dtype, 0
        self._write_header()
        for _, rows in chunks_of(narrow):
            self._write(rows)
        wide.replace(self._path)
