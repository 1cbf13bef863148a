"""The AVRO format: records of a schema, as numbers or as one text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from kafkaml.exceptions import FormatError
from kafkaml.formats.avro_schema import (
    Items,
    Node,
    Nullable,
    Number,
    Record,
    Text,
    node_at,
    opaque_parts,
    parse_schema,
)
from kafkaml.formats.json import field_names
from kafkaml.formats.numbers import one_of, whole_number

WIRE_FORMATS = ("plain", "confluent")
MAX_SCHEMA_ID = 2**31 - 1

_FIELDS = {"value": "data_fields", "key": "label_fields"}


@dataclass(frozen=True, slots=True)
class AvroFormat:
    """Records of one schema, as fastavro wants it, and what of them is used.

    `root` is all that a record holds. `picked` names the fields that are used, in the order
    of the array; those of nested records with dots. With None it is all fields.
    `is_framed` says that each record begins with the id of its writer's schema, as those of
    Confluent's serializers do; `schema_id` is the one to write.
    """

    schema: Any
    root: Node
    part: str = "value"
    picked: tuple[str, ...] | None = None
    is_framed: bool = False
    schema_id: int | None = None

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        setting: Literal["data_scheme", "label_scheme"],
        *,
        fields: Literal["data_fields", "label_fields"] | None = None,
    ) -> Self:
        """Read the schema in `setting` and the names in `fields`, if there are some.

        Raises FormatError if they cannot be used. Without `fields` it is those of the part.
        """
        part = "key" if setting == "label_scheme" else "value"
        names_setting = fields or _FIELDS[part]
        schema, root = parse_schema(config.get(setting), setting)
        names = config.get(names_setting)
        picked = None if names is None else field_names(names, names_setting)
        wire_format = one_of(
            config.get("wire_format", "plain"), "wire_format", WIRE_FORMATS
        )
        described = cls(
            schema,
            root,
            part,
            picked,
            wire_format == "confluent",
            _schema_id(config, setting.replace("scheme", "schema_id")),
        )
        described.check(setting, names_setting)
        return described

    def check(self, setting: str, names_setting: str) -> None:
        """Raise FormatError unless what is picked is numbers, or a single text."""
        for path, node in self.parts:
            if node is None:
                raise FormatError(
                    f"{names_setting}: the schema has no field {path[:100]!r}"
                )
        if self.is_text:
            return
        for path, node in self.parts:
            for place, reason in opaque_parts(node, path) if node else ():
                what = f"the field {place[:200]}" if place else "the schema"
                hint = f"; name the fields to use in {names_setting}" if place else ""
                raise FormatError(f"{setting}: {what} {reason}{hint}")

    @property
    def parts(self) -> tuple[tuple[str, Node | None], ...]:
        """Path and content of each field that is picked, or of the whole record: `""`."""
        if self.picked is None:
            return (("", self.root),)
        return tuple((path, node_at(self.root, path)) for path in self.picked)

    @property
    def used(self) -> Node:
        """What is used of a record."""
        if self.picked is None:
            return self.root
        return Record(tuple((path, node) for path, node in self.parts if node is not None))

    @property
    def is_text(self) -> bool:
        """Whether a record gives one text instead of numbers."""
        used = self.used
        if isinstance(used, Record) and len(used.fields) == 1:
            used = used.fields[0][1]
        return isinstance(used, Text)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """`(numbers,)`, `()` for one text or a schema of one number, None with arrays."""
        if self.is_text or isinstance(self.used, Number | Nullable):
            return ()
        length = _length(self.used)
        return None if length is None else (length,)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that are used; none if the schema is not a record."""
        if not isinstance(self.used, Record):
            return ()
        return tuple(name for name, _ in self.used.fields)


def _schema_id(config: Mapping[str, Any], setting: str) -> int | None:
    if config.get(setting) is None:
        return None
    return whole_number(config, setting, most=MAX_SCHEMA_ID)


def _length(node: Node) -> int | None:
    """Return how many numbers a record has; None if that differs between records."""
    match node:
        case Items():
            return None
        case Record():
            lengths = [_length(field) for _, field in node.fields]
            return None if None in lengths else sum(each or 0 for each in lengths)
        case _:
            return 1
