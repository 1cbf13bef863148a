"""The AVRO format: schemaless records, as numbers in the order of the schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from kafkaml.formats.avro_schema import (
    Items,
    Node,
    Nullable,
    Number,
    Record,
    parse_schema,
)


@dataclass(frozen=True, slots=True)
class AvroFormat:
    """Records of one schema: as fastavro wants it, and the numbers of a record."""

    schema: Any
    root: Node
    part: str = "value"

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], setting: Literal["data_scheme", "label_scheme"]
    ) -> Self:
        """Read the schema text in `setting`; raise FormatError if it cannot be used."""
        part = "key" if setting == "label_scheme" else "value"
        return cls(*parse_schema(config.get(setting), setting), part)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """`(numbers,)`, `()` for a schema that is one number, None if it has arrays."""
        if isinstance(self.root, Number | Nullable):
            return ()
        length = _length(self.root)
        return None if length is None else (length,)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields of the schema; none if it is not a record."""
        if not isinstance(self.root, Record):
            return ()
        return tuple(name for name, _ in self.root.fields)


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
