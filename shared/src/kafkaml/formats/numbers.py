"""Whole numbers and names in the configuration of a format."""

from collections.abc import Collection, Mapping
from typing import Any

from kafkaml.exceptions import FormatError


def whole_number(
    config: Mapping[str, Any], setting: str, *, most: int, default: int | None = None
) -> int:
    """Return a number from 1 to `most`; raise FormatError if the setting is no such."""
    value = config.get(setting, default)
    if type(value) is not int or not 1 <= value <= most:
        raise FormatError(f"{setting}: give a whole number from 1 to {most}")
    return value


def one_of(value: object, setting: str, names: Collection[str]) -> str:
    """Return a name that is among `names`; raise FormatError for any other value."""
    if isinstance(value, str) and value in names:
        return value
    shown = repr(value)[:60]
    raise FormatError(f"{setting}: {shown} is not known: use {', '.join(names)}")
