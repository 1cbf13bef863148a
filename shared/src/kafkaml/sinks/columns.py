"""Data or labels of a sink, sent as in the RAW format."""

from typing import Any

import numpy as np

from kafkaml.exceptions import FormatError
from kafkaml.formats import RawFormat, TextFormat
from kafkaml.formats.dtypes import TEXT_NAMES, type_of
from kafkaml.records.base import Array, Codec
from kafkaml.records.raw import RawCodec
from kafkaml.records.text import TextCodec
from kafkaml.sinks.arrays import as_array


class Column:
    """The data or the labels: one type and one shape, fixed by the first rows."""

    def __init__(self, name: str, type_name: str | None) -> None:
        self._name = name
        self._type_name = type_name
        self._given = type_name is not None
        self._shape: tuple[int, ...] | None = None
        self._codec: Codec | None = None

    def fit(self, rows: Array) -> Array:
        """Return the rows as they are sent; raise FormatError if they do not fit."""
        if not rows.ndim:
            raise FormatError(f"{self._name}: give an array with one row per sample")
        if self._codec is None:
            self._codec = self._codec_for(rows)
            self._shape = rows.shape[1:]
        if rows.shape[1:] != self._shape:
            raise FormatError(
                f"{self._name}: the shape is {rows.shape[1:]}, "
                f"earlier ones have {self._shape}"
            )
        if not isinstance(self._codec, RawCodec):
            return rows
        self._check_type(rows, self._codec)
        return self._codec.convert(rows)

    def encode(self, rows: Array) -> list[bytes]:
        if self._codec is None:
            raise FormatError(f"{self._name}: nothing is known about it yet")
        return self._codec.encode(rows)

    def to_config(self) -> dict[str, Any]:
        """Return `<name>_type` and `<name>_reshape`, as the control message has them."""
        shape = " ".join(str(dimension) for dimension in self._shape or ())
        return {
            f"{self._name}_type": self._type_name,
            f"{self._name}_reshape": shape or None,
        }

    def _codec_for(self, rows: Array) -> Codec:
        if self._type_name is None:
            self._type_name = "string" if rows.dtype.kind == "U" else rows.dtype.name
        if self._type_name in TEXT_NAMES:
            return TextCodec(TextFormat(rows.shape[1:]))
        dtype = type_of(self._type_name, f"{self._name}_type")
        return RawCodec(RawFormat(dtype, rows.shape[1:]))

    def _check_type(self, rows: Array, codec: RawCodec) -> None:
        if self._given or np.can_cast(rows.dtype, codec.dtype, "safe"):
            return
        raise FormatError(
            f"{self._name}: the type is {rows.dtype}, earlier ones have {codec.dtype}; "
            f"name the type that all of them have by {self._name}_type"
        )


class LabelColumn(Column):
    """The labels: of all samples, or of none."""

    def __init__(self, type_name: str | None) -> None:
        super().__init__("label", type_name)
        self._labelled: bool | None = None

    def rows(self, labels: Any, *, samples: int) -> Array | None:
        """Return the labels of so many samples as they are sent, None if there are none.

        Raises FormatError if they do not fit the earlier ones.
        """
        found = None if labels is None else self.fit(as_array(labels))
        if found is not None and len(found) != samples:
            raise FormatError(f"there are {samples} samples, but {len(found)} labels")
        if self._labelled not in {None, found is not None}:
            raise FormatError("either all samples have a label or none has")
        self._labelled = found is not None
        return found
