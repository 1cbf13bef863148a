"""The JSON format: an object with named fields, or an array of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from kafkaml.exceptions import FormatError

MAX_FIELDS = 10_000


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """Values with these fields, or with None values that are arrays or numbers."""

    fields: tuple[str, ...] | None
    part: ClassVar[str] = "value"

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], setting: Literal["data_fields", "label_fields"]
    ) -> Self:
        """Read the list of names in `setting`; raise FormatError if it is not one."""
        names = config.get(setting)
        if names is None and setting == "data_fields":
            return cls(None)
        return cls(field_names(names, setting))

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of one record; None where it holds an array, of a shape of its own."""
        return (len(self.fields),) if self.fields and len(self.fields) > 1 else None


def field_names(names: object, setting: str) -> tuple[str, ...]:
    """Return a list of names; raise FormatError if it is none, or names one twice."""
    if not isinstance(names, list) or not 0 < len(names) <= MAX_FIELDS:
        raise FormatError(f"{setting}: list the names of 1 to {MAX_FIELDS} fields")
    if not all(isinstance(name, str) for name in names) or len({*names}) < len(names):
        raise FormatError(f"{setting}: the names of fields must be texts that differ")
    return tuple(names)
