"""Between the values of fastavro and rows of numbers."""

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from kafkaml.exceptions import FormatError
from kafkaml.formats.avro_schema import Items, Node, Nullable, Number, Record


def flatten(node: Node, value: Any) -> list[float]:
    """Return the numbers of a record in order; raise ValueError for an unknown symbol."""
    match node:
        case Number():
            if node.kind == "decimal":
                return [float(value)]
            return [node.symbols.index(value) if node.symbols else value]
        case Nullable():
            return [math.nan if value is None else _any_number(node, value)]
        case Items():
            return [number for each in value for number in flatten(node.item, each)]
        case Record():
            return [
                number
                for name, field in node.fields
                for number in flatten(field, value[name])
            ]
        case _:
            raise TypeError("it is not made of numbers")


def field_at(record: Any, path: str) -> Any:
    """Return a field of a record, whose path names nested records with dots."""
    for name in path.split("."):
        record = record[name]
    return record


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields, whose names may be paths with dots, as a record of records."""
    record: dict[str, Any] = {}
    for path, value in fields.items():
        *outer, name = path.split(".")
        place = record
        for each in outer:
            place = place.setdefault(each, {})
        place[name] = value
    return record


def unflatten(node: Node, row: list[float]) -> Any:
    """Return the record whose numbers are `row`; raise FormatError if it has others."""
    fixed, item = _lengths(node)
    count, rest = divmod(len(row) - fixed, item) if item else (0, len(row) - fixed)
    if rest or count < 0:
        raise FormatError(f"{len(row)} numbers do not fill a record of the schema")
    return _build(node, iter(row), count)


def _any_number(node: Nullable, value: Any) -> float:
    if not isinstance(value, str):
        return float(value)
    for number in node.numbers:
        if value in number.symbols:
            return number.symbols.index(value)
    raise ValueError(f"{value!r} is no symbol of the schema")


def _lengths(node: Node) -> tuple[int, int]:
    """Return how many numbers stand outside of the array, and in one item of it."""
    match node:
        case Items():
            inside, nested = _lengths(node.item)
            if nested:
                raise FormatError("rows cannot be encoded for a schema of nested arrays")
            return 0, inside
        case Record():
            parts = [_lengths(field) for _, field in node.fields]
            items = [item for _, item in parts if item]
            if len(items) > 1:
                raise FormatError("rows cannot be encoded for a schema of several arrays")
            return sum(fixed for fixed, _ in parts), sum(items)
        case _:
            return 1, 0


def _build(node: Node, row: Iterator[float], count: int) -> Any:
    match node:
        case Number():
            return _value(node, next(row))
        case Nullable():
            number = next(row)
            return None if math.isnan(number) else _value(node.numbers[0], number)
        case Items():
            return [_build(node.item, row, 0) for _ in range(count)]
        case Record():
            return {name: _build(field, row, count) for name, field in node.fields}
        case _:
            raise FormatError("a row of numbers holds no text")


def _value(number: Number, value: float) -> Any:
    if number.kind in {"float", "double"}:
        return float(value)
    if number.kind == "decimal":
        return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-number.scale))
    if value != value // 1 or (number.symbols and not 0 <= value < len(number.symbols)):
        raise FormatError(f"{value} is no {number.kind} of the schema")
    if number.symbols:
        return number.symbols[int(value)]
    return bool(value) if number.kind == "boolean" else int(value)
