"""The sink of the RAW format."""

from typing import Any, ClassVar, Unpack

import numpy as np

from kafkaml.exceptions import FormatError
from kafkaml.formats import RawFormat, TextFormat
from kafkaml.formats.dtypes import TEXT_NAMES, type_of
from kafkaml.records.base import Array, Codec
from kafkaml.records.raw import RawCodec
from kafkaml.records.text import TextCodec
from kafkaml.sinks.arrays import as_array
from kafkaml.sinks.base import Sink, SinkOptions

_BYTES_PER_WRITE = 16 * 1024 * 1024


class RawSink(Sink):
    """Sends arrays as their bytes: the value is the data, the key the label.

    Types and shapes are those of the first sample. With `data_type` or `label_type` (a name
    such as `float32`) the samples are converted, as far as no value is changed but rounded.
    Later samples must fit. A label is a number, a text or an array; without labels the
    records have no key.

        with RawSink(topic="digits", deployment_id=1, validation_rate=0.1) as sink:
            sink.send_many(images, labels)
    """

    input_format: ClassVar[str] = "RAW"

    def __init__(
        self,
        *,
        data_type: str | None = None,
        label_type: str | None = None,
        **options: Unpack[SinkOptions],
    ) -> None:
        super().__init__(**options)
        self._data = _Column("data", data_type)
        self._labels = _Column("label", label_type)
        self._labelled: bool | None = None

    def send(self, data: Any, label: Any = None) -> None:
        """Send one sample; raise FormatError if it does not fit the earlier ones."""
        labels = None if label is None else as_array(label)[np.newaxis]
        self.send_many(as_array(data)[np.newaxis], labels)

    def send_many(self, data: Any, labels: Any = None) -> None:
        """Send the rows of an array of shape `(samples, *shape of one)`, or of a frame.

        `labels` has shape `(samples, *shape of one)`, too. Raises FormatError, before
        anything is sent, if a sample does not fit the earlier ones.
        """
        rows = self._data.fit(as_array(data))
        label_rows = None if labels is None else self._labels.fit(as_array(labels))
        self._check_labels(rows, label_rows)
        step = max(1, _BYTES_PER_WRITE // max(1, rows[:1].nbytes))
        for start in range(0, len(rows), step):
            chunk = slice(start, start + step)
            keys = None if label_rows is None else self._labels.encode(label_rows[chunk])
            self._write(self._data.encode(rows[chunk]), keys)

    def _check_labels(self, rows: Array, label_rows: Array | None) -> None:
        if label_rows is not None and len(label_rows) != len(rows):
            raise FormatError(
                f"there are {len(rows)} samples, but {len(label_rows)} labels"
            )
        labelled = label_rows is not None
        if self._labelled not in {None, labelled}:
            raise FormatError("either all samples have a label or none has")
        self._labelled = labelled

    def _input_config(self) -> dict[str, Any]:
        return {**self._data.to_config(), **self._labels.to_config()}


class _Column:
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
