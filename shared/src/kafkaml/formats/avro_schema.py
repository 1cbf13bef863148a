"""From the text of an Avro schema to the numbers that a record of it holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import fastavro
import orjson
from fastavro.schema import SchemaParseException, UnknownType

from kafkaml.exceptions import FormatError

MAX_SCHEMA_CHARACTERS = 1_000_000
MAX_NUMBERS = 10_000
MAX_DEPTH = 50
MAX_DIGITS = 300

NumberKind = Literal["boolean", "int", "long", "float", "double", "enum", "decimal"]
_NUMBER_KINDS = {"boolean", "int", "long", "float", "double"}


@dataclass(frozen=True, slots=True)
class Number:
    """One number; that of an enum is the place of its symbol in `symbols`.

    A decimal has `scale` digits behind its point.
    """

    kind: NumberKind
    symbols: tuple[str, ...] = ()
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Nullable:
    """A number or one of several, or null: NaN."""

    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """An array of any length."""

    item: "Node"


@dataclass(frozen=True, slots=True)
class Record:
    """Fields in the order of the schema."""

    fields: tuple[tuple[str, "Node"], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A string, which may be null."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that cannot become numbers; `reason` says why, after a name of it."""

    reason: str


Node: TypeAlias = Number | Nullable | Items | Record | Text | Opaque


def parse_schema(text: object, setting: str) -> tuple[Any, Node]:
    """Return a schema as fastavro wants it, and the tree of what its records hold.

    Raises FormatError if the schema is invalid. Logical types but decimals are dropped: a
    timestamp is the number that it is stored as.
    """
    content = _without_logical_types(_json(text, setting))
    try:
        parsed = fastavro.parse_schema(content)
        return parsed, _Reader(setting).node(parsed, "", 0)
    except (SchemaParseException, UnknownType) as e:
        raise FormatError(f"{setting}: the schema is not valid: {e!s:.300}") from e
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as e:
        raise FormatError(f"{setting}: the schema is not valid: {e!r:.300}") from e


def numbers_of(node: Node) -> Iterator[Number | None]:
    """Go through the numbers of a record in order; None follows those that can be null."""
    match node:
        case Number():
            yield node
        case Nullable():
            yield from node.numbers
            yield None
        case Items():
            yield from numbers_of(node.item)
        case Record():
            for _, field in node.fields:
                yield from numbers_of(field)


def node_at(node: Node, path: str) -> Node | None:
    """Return the field `path`, names of nested records joined by dots; None if absent."""
    for name in path.split("."):
        fields = dict(node.fields) if isinstance(node, Record) else {}
        if name not in fields:
            return None
        node = fields[name]
    return node


def opaque_parts(node: Node, place: str = "") -> Iterator[tuple[str, str]]:
    """Go through the parts that are no numbers: the path of each, and why."""
    match node:
        case Text():
            yield place, "is of type string, which is not a number"
        case Opaque():
            yield place, node.reason
        case Items():
            yield from opaque_parts(node.item, place)
        case Record():
            for name, field in node.fields:
                yield from opaque_parts(field, f"{place}.{name}" if place else name)


def _json(text: object, setting: str) -> Any:
    if isinstance(text, dict | list):
        return text
    if not isinstance(text, str) or not text.strip():
        raise FormatError(f"{setting}: give the text of an Avro schema")
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise FormatError(f"{setting}: the schema is too long")
    if text.strip() in {*_NUMBER_KINDS, "string"}:
        return text.strip()
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise FormatError(f"{setting}: the schema is not JSON: {e}") from e


def _without_logical_types(content: Any, depth: int = 0) -> Any:
    if depth > 4 * MAX_DEPTH:
        raise FormatError("the schema is nested too deep")
    if isinstance(content, list):
        return [_without_logical_types(each, depth + 1) for each in content]
    if isinstance(content, dict):
        return {
            name: _without_logical_types(each, depth + 1)
            for name, each in content.items()
            if name != "logicalType" or _is_decimal(content)
        }
    return content


def _is_decimal(schema: dict[str, Any]) -> bool:
    """Whether a schema is that of a decimal which keeps the rules of the standard."""
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    return (
        schema.get("logicalType") == "decimal"
        and schema.get("type") in {"bytes", "fixed"}
        and type(precision) is int
        and type(scale) is int
        and 0 <= scale <= precision <= MAX_DIGITS
    )


class _Reader:
    """Walks a parsed schema and remembers the named types that it meets."""

    def __init__(self, setting: str) -> None:
        self._setting = setting
        self._named: dict[str, Any] = {}
        self._open: list[str] = []
        self._numbers = 0

    def node(self, schema: Any, place: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._error(place, "is nested too deep")
        if isinstance(schema, list):
            return self._union(schema, place, depth)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, dict | list):
            return self.node(kind, place, depth + 1)
        if kind in self._named:
            return self.node(self._named[kind], place, depth + 1)
        if kind in _NUMBER_KINDS:
            return self._number(Number(kind))
        if isinstance(schema, dict) and "logicalType" in schema:
            number = Number("decimal", scale=schema.get("scale", 0))
            self._named |= {schema["name"]: schema} if "name" in schema else {}
            return self._number(number)
        return self._composite(kind, schema, place, depth)

    def _composite(self, kind: str, schema: Any, place: str, depth: int) -> Node:
        match kind:
            case "array":
                return Items(self.node(schema["items"], place, depth + 1))
            case "enum":
                self._named[schema["name"]] = schema
                return self._number(Number("enum", tuple(schema["symbols"])))
            case "record" if schema["name"] not in self._open:
                return self._record(schema, place, depth)
            case "record":
                return Opaque(f"holds the record {schema['name']} within itself")
            case "string":
                return Text()
            case "fixed":
                self._named[schema["name"]] = schema
        return Opaque(f"is of type {kind!s:.80}, which is not a number")

    def _record(self, schema: Any, place: str, depth: int) -> Record:
        name = schema["name"]
        if not schema["fields"]:
            raise self._error(place, "is a record without fields")
        self._named[name] = schema
        self._open.append(name)
        fields = tuple(
            (each["name"], self.node(each["type"], f"{place}.{each['name']}", depth + 1))
            for each in schema["fields"]
        )
        self._open.pop()
        return Record(fields)

    def _union(self, branches: list[Any], place: str, depth: int) -> Node:
        nodes = [self.node(each, place, depth + 1) for each in branches if each != "null"]
        if nodes and all(isinstance(node, Text) for node in nodes):
            return Text()
        numbers = tuple(node for node in nodes if isinstance(node, Number))
        if not numbers or len(numbers) < len(nodes):
            return Opaque("is a union of something else than numbers and null")
        return Nullable(numbers)

    def _number(self, number: Number) -> Number:
        self._numbers += 1
        if self._numbers > MAX_NUMBERS:
            raise FormatError(
                f"{self._setting}: a record has more than {MAX_NUMBERS} numbers"
            )
        return number

    def _error(self, place: str, text: str) -> FormatError:
        what = f"the field {place.lstrip('.')}" if place else "the schema"
        return FormatError(f"{self._setting}: {what} {text}")
