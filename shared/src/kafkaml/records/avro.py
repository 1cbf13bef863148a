"""Reads and writes the AVRO format: records of numbers."""

import io
import math
from collections.abc import Iterator, Sequence
from decimal import DecimalException
from typing import Any

import fastavro
import numpy as np
from fastavro.read import SchemaResolutionError

from kafkaml.exceptions import FormatError
from kafkaml.formats.avro import AvroFormat
from kafkaml.formats.avro_schema import Node, Number, Record, numbers_of
from kafkaml.records.avro_flat import FlatRecords
from kafkaml.records.avro_values import field_at, flatten, nested, unflatten
from kafkaml.records.base import Array, Decoded, Dtype
from kafkaml.records.batches import all_good, most_common, null_reason, some_good

READ_ERRORS = (
    DecimalException,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    SchemaResolutionError,
    StopIteration,
    TypeError,
    ValueError,
)
WRITE_ERRORS = (
    ArithmeticError,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)


class AvroCodec:
    """Records of one schema, of which numbers are used.

    A record becomes a vector: its numbers in the order of the schema, or of the picked
    fields; those of nested records and arrays in place, an enum as the place of its symbol,
    null as NaN. A schema that is a single number gives scalars. Arrays make the length
    depend on the records; those with another length than most of their batch are bad.

    The type of the result follows from the schema alone: booleans give uint8, integers
    int64, floats float32, all mixtures float64 (float and boolean: float32). What can be
    null is a float: float32 if only float and boolean occur, else float64. Decimals are
    float64.

    Records that were written by another schema, `writer`, are read as far as Avro's rules
    of resolution allow.
    """

    def __init__(self, described: AvroFormat, *, writer: AvroFormat | None = None) -> None:
        self.shape = described.shape
        self.fields = described.fields
        self._described = described
        self._schema = described.schema
        is_other = writer is not None and writer.root != described.root
        self._writer = writer.schema if writer and is_other else None
        self._used = described.used
        self._part = described.part
        self._width = None if self.shape is None else math.prod(self.shape)
        self._dtype = _result_dtype(self._used)
        numbers = () if is_other else _flat_numbers(described.root)
        self._flat = FlatRecords(numbers, self._dtype) if numbers else None
        self._columns = _columns(described) if numbers else None

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch, shape `(good, numbers)`."""
        decode = self._decode_each if self._flat is None else self._flat.decode
        table, faults = decode([value or b"" for value in values])
        if self._columns is not None:
            table = table[:, self._columns]
        if self.shape == ():
            table = table.reshape(len(table))
        if not any(faults):
            return all_good(table)
        reasons = [
            fault
            and (null_reason(self._part) if value is None else f"the {self._part} {fault}")
            for value, fault in zip(values, faults, strict=True)
        ]
        return some_good(table, reasons)

    def encode(self, array: Array) -> list[bytes]:
        """Encode rows of numbers; raise FormatError if one does not fit the schema.

        Rows of a schema with an array hold as many items as are left for it.
        """
        rows = np.asarray(array)
        if rows.ndim not in {1, 2} or (rows.ndim == 1 and self.shape != ()):
            raise FormatError(f"an array of shape {rows.shape} holds no rows of numbers")
        table = rows.reshape(len(rows), -1) if len(rows) else rows.reshape(0, 1)
        if self._width is not None and len(table) and table.shape[1] != self._width:
            raise FormatError(
                f"the rows have {table.shape[1]} numbers, the schema {self._width}"
            )
        if table.dtype.kind not in "biuf":
            raise FormatError(f"the rows are {table.dtype}, not numbers")
        if not len(table):
            return []
        if self._flat is not None and self._columns is None:
            return self._flat.encode(table)
        return [self.encode_one(self._record(row)) for row in table.tolist()]

    def encode_one(self, record: object) -> bytes:
        """Encode one record as fastavro takes it, such as a dictionary of its fields.

        Raises FormatError if a field without a default is missing, or does not fit.
        """
        buffer = io.BytesIO()
        try:
            fastavro.schemaless_writer(
                buffer, self._schema, record, strict_allow_default=True
            )
        except WRITE_ERRORS as e:
            raise FormatError(f"the record does not fit the schema: {e!s:.300}") from e
        return buffer.getvalue()

    def _decode_each(self, values: Sequence[bytes]) -> tuple[Array, list[str | None]]:
        rows: dict[int, list[float]] = {}
        faults: list[str | None] = [None] * len(values)
        for index, value in enumerate(values):
            try:
                rows[index] = self._row(value)
            except READ_ERRORS as e:
                faults[index] = f"does not fit the schema: {e!s:.200}".removesuffix(": ")
        usual = most_common(len(row) for row in rows.values())
        for index, row in rows.items():
            if len(row) != usual:
                faults[index] = f"holds {len(row)} numbers, most hold {usual}"
        good = [row for row in rows.values() if len(row) == usual]
        width = self._width if usual is None else usual
        return np.array(good, self._dtype).reshape(len(good), width or 0), faults

    def _row(self, value: bytes) -> list[float]:
        buffer = io.BytesIO(value)
        record = read_one(buffer, self._schema, self._writer)
        if buffer.tell() != len(value):
            raise ValueError("there are bytes after its last field")
        if self._described.picked is None:
            return flatten(self._used, record)
        return [
            number
            for path, node in self._described.parts
            if node is not None
            for number in flatten(node, field_at(record, path))
        ]

    def _record(self, row: list[float]) -> Any:
        """Return the record whose used numbers are `row`."""
        record = unflatten(self._used, row)
        if self._described.picked is None:
            return record
        return nested(record)


def read_one(buffer: io.BytesIO, schema: Any, writer: Any | None) -> Any:
    """Return the next record as fastavro gives it; raise one of READ_ERRORS if bad."""
    if writer is None:
        return fastavro.schemaless_reader(buffer, schema, None)
    return fastavro.schemaless_reader(buffer, writer, schema)


def _columns(described: AvroFormat) -> list[int] | None:
    """Return the places of the picked numbers in a flat record; None if it is all."""
    if described.picked is None:
        return None
    places = list(_paths(described.root, ""))
    return [
        place
        for path in described.picked
        for place, each in enumerate(places)
        if each == path or each.startswith(f"{path}.")
    ]


def _paths(node: Node, path: str) -> Iterator[str]:
    """Go through the paths of the numbers of a flat record in order."""
    if not isinstance(node, Record):
        yield path
        return
    for name, field in node.fields:
        yield from _paths(field, f"{path}.{name}" if path else name)


def _flat_numbers(node: Node) -> tuple[Number, ...]:
    """Return the numbers of a record that has nothing else; nothing for any other."""
    match node:
        case Number() if node.kind != "decimal":
            return (node,)
        case Record():
            parts = [_flat_numbers(field) for _, field in node.fields]
            return tuple(number for part in parts for number in part) if all(parts) else ()
        case _:
            return ()


def _result_dtype(node: Node) -> Dtype:
    numbers = list(numbers_of(node))
    kinds = {number.kind for number in numbers if number is not None}
    can_be_null = None in numbers
    if kinds <= {"boolean"} and not can_be_null:
        return np.dtype(np.uint8)
    if not kinds & {"float", "double", "decimal"} and not can_be_null:
        return np.dtype(np.int64)
    only_floats = "float" in kinds and kinds <= {"float", "boolean"}
    return np.dtype(np.float32 if only_floats else np.float64)
