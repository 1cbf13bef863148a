"""Reads and writes the RAW format: the bytes of an array, C order, little-endian."""

import math
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from kafkaml.exceptions import FormatError
from kafkaml.formats.raw import RawFormat
from kafkaml.records.base import Array, Decoded
from kafkaml.records.batches import all_good, null_reason, some_good


class RawCodec:
    """Records of one type and shape.

    With a shape of None the records decide: one item gives a scalar, several a vector, and
    records with another size than most of their batch are bad.
    """

    def __init__(self, described: RawFormat) -> None:
        self.dtype = np.dtype(described.dtype)
        self.shape = described.shape
        self._part = described.part

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch as a read-only view of its bytes, shape `(good, *shape)`."""
        sizes = _sizes(values)
        size = self._record_bytes(values, sizes)
        if sizes <= {size}:
            return all_good(self._view(values, size))
        reasons = [self._reason(value, size) for value in values]
        good = [value for value, reason in zip(values, reasons, strict=True) if not reason]
        return some_good(self._view(good, size), reasons)

    def encode(self, array: Array) -> list[bytes]:
        """Encode the rows of an array of shape `(records, *shape)`.

        Raises FormatError if its rows have another shape, or values that the type lacks.
        """
        rows = self.convert(np.asarray(array))
        whole = rows.tobytes()
        size = math.prod(rows.shape[1:]) * rows.itemsize
        return [whole[start : start + size] for start in range(0, len(whole), size)]

    def convert(self, array: Array) -> Array:
        """Return rows as this type; raise FormatError if that does more than round."""
        if not array.ndim or 0 in array.shape[1:]:
            raise FormatError(f"an array of shape {array.shape} holds no records")
        if self.shape is not None and array.shape[1:] != self.shape:
            raise FormatError(f"the rows have shape {array.shape[1:]}, not {self.shape}")
        if np.can_cast(array.dtype, self.dtype, "safe"):
            return array.astype(self.dtype, copy=False)
        kind = array.dtype.kind
        if kind not in "biuf" or (kind == "f" and self.dtype.kind != "f"):
            raise FormatError(f"the rows are {array.dtype}, not {self.dtype}")
        converted = array.astype(self.dtype)
        if self.dtype.kind != "f" and not np.array_equal(converted, array):
            raise FormatError(f"the rows hold numbers that {self.dtype} does not have")
        return converted

    def _record_bytes(
        self, values: Sequence[bytes | None], sizes: Collection[int | None]
    ) -> int:
        """Return the size that is described, or else the most common one that can be."""
        if self.shape is not None:
            return math.prod(self.shape) * self.dtype.itemsize
        whole = [size for size in sizes if size and not size % self.dtype.itemsize]
        if len(whole) <= 1:
            return whole[0] if whole else self.dtype.itemsize
        counts = Counter(map(len, filter(None, values)))
        return max(whole, key=lambda size: counts[size])

    def _view(self, values: Sequence[bytes | None], size: int) -> Array:
        joined = b"".join(values)  # type: ignore[arg-type]  # the null ones are sorted out
        shape = self.shape
        if shape is None:
            items = size // self.dtype.itemsize
            shape = () if items == 1 else (items,)
        if self.dtype.kind == "b":  # any byte but 0 is true, as a bool holds only 0 and 1
            truth: Array = np.frombuffer(joined, np.uint8) != 0
            return truth.reshape(len(values), *shape)
        return np.frombuffer(joined, self.dtype).reshape(len(values), *shape)

    def _reason(self, value: bytes | None, size: int) -> str | None:
        if value is None:
            return null_reason(self._part)
        if len(value) == size:
            return None
        shape = " ".join(str(dimension) for dimension in self.shape or ())
        name = f"{self.dtype.name} {shape}".strip()
        expected = f"a record of {name} has {size}"
        if self.shape is None:
            expected = f"the other records of {name} have {size}"
        return f"the {self._part} has {len(value)} bytes, {expected}"


def _sizes(values: Sequence[bytes | None]) -> set[int | None]:
    """Return the sizes that there are; None is that of the null ones."""
    try:
        return set(map(len, values))  # type: ignore[arg-type]  # mostly none is null
    except TypeError:
        return {None if value is None else len(value) for value in values}
