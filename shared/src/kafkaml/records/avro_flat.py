"""Avro records made of nothing but numbers, decoded and encoded a whole batch at a time.

Avro has no framing between fields, so a nested record is as flat as its numbers. A run of
float, double and boolean fields has a fixed width and is one structured NumPy type. An int,
long or enum is a varint: its bytes are gathered for all records at once, first bytes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kafkaml.exceptions import FormatError
from kafkaml.formats.avro_schema import Number
from kafkaml.records.base import Array, Dtype

Bytes = NDArray[np.uint8]

_FIXED = {"float": "<f4", "double": "<f8", "boolean": "u1"}
_MORE = 0x80
_PADDING = 16

_GOOD, _SHORT, _LONG, _VARINT, _SYMBOL = range(5)
_REASONS = {
    _SHORT: "ends within a field",
    _LONG: "has bytes after its last field",
    _VARINT: "holds an integer with too many bytes",
    _SYMBOL: "holds an enum symbol that the schema does not have",
}


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring fields of fixed width: columns `first` up to `first + len(names)`."""

    first: int
    dtype: Dtype

    @property
    def columns(self) -> range:
        return range(self.first, self.first + len(self.dtype.names or ()))


@dataclass(frozen=True, slots=True)
class _Varint:
    """An int, a long or an enum in column `first`."""

    first: int
    number: Number

    @property
    def most_bytes(self) -> int:
        return 10 if self.number.kind == "long" else 5


class FlatRecords:
    """Decodes and encodes records that hold `numbers` one after the other."""

    def __init__(self, numbers: Sequence[Number], dtype: Dtype) -> None:
        self._steps = _steps(numbers)
        self._count = len(numbers)
        self._dtype = dtype

    def decode(self, values: Sequence[bytes]) -> tuple[Array, list[str | None]]:
        """Return the good rows, shape `(good, numbers)`, and the fault of each value."""
        table, codes = self._decode(values)
        if codes.any():
            return table[codes == _GOOD], [_REASONS.get(code) for code in codes.tolist()]
        return table, [None] * len(values)

    def encode(self, table: Array) -> list[bytes]:
        """Encode rows of shape `(records, numbers)`; raise FormatError if one is wrong."""
        parts = [_step_bytes(step, table) for step in self._steps]
        content = np.concatenate([part for part, _ in parts], axis=1)
        used = np.concatenate([mask for _, mask in parts], axis=1)
        joined = content[used].tobytes()
        ends = np.cumsum(used.sum(axis=1)).tolist()
        return [
            joined[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=False)
        ]

    def _decode(self, values: Sequence[bytes]) -> tuple[Array, Bytes]:
        only = self._steps[0]
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        if len(self._steps) == 1 and isinstance(only, _Run):
            return self._decode_fixed(only, values, lengths)
        padding = max(_PADDING, *(_width(step) for step in self._steps))
        joined = np.frombuffer(b"".join((*values, bytes(padding))), np.uint8)
        table = np.empty((len(values), self._count), self._dtype)
        cursor = _Cursor(joined, lengths)
        for step in self._steps:
            if isinstance(step, _Run):
                _spread(cursor.take_run(step.dtype), step, table)
            else:
                table[:, step.first] = cursor.take_varint(step)
        cursor.mark(_LONG, cursor.position < cursor.ends)
        return table, cursor.codes

    def _decode_fixed(
        self, run: _Run, values: Sequence[bytes], lengths: NDArray[np.int64]
    ) -> tuple[Array, Bytes]:
        width = run.dtype.itemsize
        codes = np.where(lengths < width, _SHORT, np.where(lengths > width, _LONG, _GOOD))
        whole = [value if len(value) == width else bytes(width) for value in values]
        records = np.frombuffer(b"".join(whole), run.dtype)
        table = np.empty((len(values), self._count), self._dtype)
        _spread(records, run, table)
        return table, codes.astype(np.uint8)


class _Cursor:
    """Where each record of a batch has been read up to, and what went wrong."""

    def __init__(self, joined: Bytes, lengths: NDArray[np.int64]) -> None:
        self.joined = joined
        self.ends = np.cumsum(lengths)
        self.position = self.ends - lengths
        self.codes = np.zeros(len(lengths), np.uint8)

    def take_run(self, dtype: Dtype) -> Array:
        width = dtype.itemsize
        places = self.position[:, np.newaxis] + np.arange(width)
        self._move(self.position + width)
        return self.joined[places].view(dtype)[:, 0]

    def take_varint(self, step: _Varint) -> Array:
        count = len(self.position)
        value = np.zeros(count, np.uint64)
        position = self.position.copy()
        active = np.ones(count, np.bool_)
        too_long = np.zeros(count, np.bool_)
        for place in range(step.most_bytes):
            byte = self.joined[np.minimum(position, len(self.joined) - 1)]
            digits = (byte & 0x7F).astype(np.uint64) << np.uint64(7 * place)
            value |= np.where(active, digits, np.uint64(0))
            position += active
            if place == step.most_bytes - 1:
                too_long = active & (byte > (1 if step.most_bytes == 10 else 0x0F))
            active &= byte >= _MORE
            if not active.any():
                break
        self._move(position)
        self.mark(_VARINT, too_long)
        number = (value >> np.uint64(1)).view(np.int64) ^ -(value & np.uint64(1)).view(
            np.int64
        )
        if step.number.kind == "enum":
            known = (number >= 0) & (number < len(step.number.symbols))
            self.mark(_SYMBOL, ~known)
        return number

    def mark(self, code: int, where: NDArray[np.bool_]) -> None:
        """Remember what is wrong, unless something was wrong before."""
        self.codes[where & (self.codes == _GOOD)] = code

    def _move(self, position: NDArray[np.int64]) -> None:
        self.mark(_SHORT, position > self.ends)
        self.position = np.minimum(position, self.ends)


def _steps(numbers: Sequence[Number]) -> list[_Run | _Varint]:
    steps: list[_Run | _Varint] = []
    for column, number in enumerate(numbers):
        if number.kind not in _FIXED:
            steps.append(_Varint(column, number))
            continue
        last = steps[-1] if steps else None
        if isinstance(last, _Run):
            steps[-1] = _Run(last.first, _longer(last.dtype, number))
        else:
            steps.append(_Run(column, _longer(None, number)))
    return steps


def _longer(dtype: Dtype | None, number: Number) -> Dtype:
    fields = [] if dtype is None else [(name, dtype[name]) for name in dtype.names or ()]
    return np.dtype([*fields, (f"f{len(fields)}", _FIXED[number.kind])])


def _width(step: _Run | _Varint) -> int:
    return step.dtype.itemsize if isinstance(step, _Run) else step.most_bytes


def _spread(records: Array, run: _Run, table: Array) -> None:
    """Write the fields of structured records into the columns of a table."""
    for column, name in zip(run.columns, run.dtype.names or (), strict=True):
        field = records[name]
        with np.errstate(invalid="ignore"):  # a signalling NaN is no error
            table[:, column] = field != 0 if run.dtype[name].kind == "u" else field


def _step_bytes(step: _Run | _Varint, table: Array) -> tuple[Bytes, NDArray[np.bool_]]:
    """Return the bytes of a step for all rows, and which of them are used."""
    if isinstance(step, _Varint):
        return _varint_bytes(_exact_integers(table[:, step.first], step.number))
    records = np.empty(len(table), step.dtype)
    for column, name in zip(step.columns, step.dtype.names or (), strict=True):
        values = table[:, column]
        if step.dtype[name].kind == "u":
            values = _exact_integers(values, Number("boolean"))
        records[name] = values
    content = records.view(np.uint8).reshape(len(table), step.dtype.itemsize)
    return content, np.ones(content.shape, np.bool_)


def _exact_integers(column: Array, number: Number) -> NDArray[np.int64]:
    """Return a column as integers; raise FormatError if one is none, or out of range."""
    low, high = {
        "boolean": (0, 1),
        "enum": (0, len(number.symbols) - 1),
        "int": (-(2**31), 2**31 - 1),
    }.get(number.kind, (-(2**63), 2**63 - 1))
    inside = (column >= low) & (column <= high)
    if column.dtype.kind == "f":
        inside &= (column == np.floor(column)) & (column < 2.0**63)
    if not inside.all():
        raise FormatError(f"{column[~inside][0]} is no {number.kind} of the schema")
    return column.astype(np.int64)


def _varint_bytes(numbers: NDArray[np.int64]) -> tuple[Bytes, NDArray[np.bool_]]:
    value = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    widest = max(1, -(-int(value.max(initial=0)).bit_length() // 7))
    rest = value[:, np.newaxis] >> (7 * np.arange(widest, dtype=np.uint64))
    used = rest > 0
    used[:, 0] = True
    more = np.zeros(used.shape, np.uint8)
    more[:, :-1] = np.where(used[:, 1:], _MORE, 0)
    return (rest & np.uint64(0x7F)).astype(np.uint8) | more, used
