"""Reads and writes the JSON format: objects with named fields, or arrays of numbers."""

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import orjson

from kafkaml.exceptions import FormatError
from kafkaml.formats.json import JsonFormat
from kafkaml.records.base import Array, Decoded
from kafkaml.records.batches import all_good, most_common, null_reason, some_good

_NUMBERS = {int, float, bool}


class _BadValueError(Exception):
    """Why one value is of no use."""


class JsonCodec:
    """Numbers of JSON values, always as float64; true and false count as 1 and 0.

    With several field names each field holds one number: shape `(records, fields)`. With
    one name the field holds a number, shape `(records, 1)`, or an array of any shape. With
    None the value itself is the array (or one number, shape `(records,)`). Arrays with
    another shape than most of their batch are bad; other fields are ignored.
    """

    def __init__(self, described: JsonFormat) -> None:
        self.fields = described.fields
        self.shape = described.shape

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch as float64, shape `(good, fields)` or that of the arrays."""
        array = self._decode_regular(values)
        return self._decode_each(values) if array is None else all_good(array)

    def encode(self, array: Array) -> list[bytes]:
        """Encode each row as an object of its fields, or as an array."""
        rows = np.asarray(array)
        if not rows.ndim:
            raise FormatError("a single number holds no records")
        if self.fields is None:
            return [orjson.dumps(row) for row in rows.tolist()]
        return [orjson.dumps(each) for each in self.to_objects(rows)]

    def to_objects(self, rows: Array) -> list[dict[str, Any]]:
        """Return each row as a dictionary of its fields."""
        names = self.fields or ()
        if len(names) == 1:
            flat = rows.reshape(len(rows)) if rows.shape[1:] == (1,) else rows
            return [{names[0]: row} for row in flat.tolist()]
        if rows.shape[1:] != (len(names),):
            raise FormatError(f"the rows have shape {rows.shape[1:]}, not ({len(names)},)")
        return [dict(zip(names, row, strict=True)) for row in rows.tolist()]

    def _decode_regular(self, values: Sequence[bytes | None]) -> Array | None:
        """Decode a batch in which all is well at once; None if something is not."""
        pick = self._pick_quickly()
        try:
            rows = [pick(orjson.loads(value)) for value in values if value is not None]
            array = _array(rows)
        except (ValueError, TypeError, KeyError):
            return None
        regular = array.size and len(array) == len(values)
        if not regular or (self.shape and array.ndim > 2):
            return None
        if self.fields and array.ndim == 1:
            array = array[:, np.newaxis]
        return array if np.isfinite(array).all() else None

    def _pick_quickly(self) -> Callable[[Any], Any]:
        return itemgetter(*self.fields) if self.fields else lambda value: value

    def _decode_each(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode record by record, to tell which are bad and why."""
        rows: dict[int, Array] = {}
        reasons: list[str | None] = [None] * len(values)
        for index, value in enumerate(values):
            try:
                rows[index] = self._row(value)
            except _BadValueError as e:
                reasons[index] = str(e)
        usual = most_common(row.shape for row in rows.values())
        for index, row in rows.items():
            if row.shape != usual:
                reasons[index] = f"its array has shape {row.shape}, most have {usual}"
        good = [row for row in rows.values() if row.shape == usual]
        nothing = np.empty((0, *(self.shape or ())))
        return some_good(np.stack(good) if good else nothing, reasons)

    def _row(self, value: bytes | None) -> Array:
        if value is None:
            raise _BadValueError(null_reason("value"))
        try:
            content = orjson.loads(value)
        except orjson.JSONDecodeError as e:
            raise _BadValueError(f"the value is not JSON: {e}") from e
        if self.fields is None:
            return _numbers(content, "the value")
        if not isinstance(content, dict):
            raise _BadValueError("the value is not a JSON object")
        for name in self.fields:
            if name not in content:
                raise _BadValueError(f"the field {name!r} is missing")
        columns = [_numbers(content[name], f"the field {name!r}") for name in self.fields]
        if len(columns) == 1:
            return np.atleast_1d(columns[0])
        for name, column in zip(self.fields, columns, strict=True):
            if column.ndim:
                raise _BadValueError(f"the field {name!r} is not one number")
        return np.stack(columns)


def _numbers(content: object, place: str) -> Array:
    """Return a number or a rectangular array of numbers as float64."""
    if isinstance(content, str | dict | None):
        kind = {"str": "a text", "dict": "an object"}.get(type(content).__name__, "null")
        raise _BadValueError(f"{place} is {kind}, not a number or an array of numbers")
    try:
        array = _array([content])[0]
    except TypeError as e:
        raise _BadValueError(f"{place} holds something else than numbers") from e
    except ValueError as e:
        raise _BadValueError(f"{place} is not a rectangular array of numbers") from e
    if not array.size:
        raise _BadValueError(f"{place} is an empty array")
    if not np.isfinite(array).all():
        raise _BadValueError(f"{place} holds a number that is too large")
    return np.asarray(array)


def _array(rows: list[Any]) -> Array:
    """Return nested lists of numbers as float64; raise TypeError if there is a non-number.

    NumPy would read the text "1.5" as a number, so the types are looked at first.
    """
    items = rows
    while items and isinstance(items[0], list | tuple):
        items = list(chain.from_iterable(items))
    if not set(map(type, items)) <= _NUMBERS:
        raise TypeError("not only numbers")
    return np.array(rows, dtype=np.float64)
