"""The RAW format: the bytes of an array, in C order and little-endian, or of one text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kafkaml.exceptions import FormatError
from kafkaml.formats.dtypes import TEXT_NAMES, item_bytes_of, shape_of, type_of


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Records of one type, as NumPy writes it (`<f4`), and shape.

    With a shape of None the records decide.
    """

    dtype: str
    shape: tuple[int, ...] | None
    part: str = "value"


@dataclass(frozen=True, slots=True)
class TextFormat:
    """Records of one UTF-8 text each: the type `string`."""

    shape: tuple[int, ...] = ()
    part: str = "value"

    def __post_init__(self) -> None:
        if math.prod(self.shape) != 1:
            raise FormatError("a record of type string holds one text: use no shape")


def raw_format(
    config: Mapping[str, Any], prefix: Literal["data", "label"]
) -> RawFormat | TextFormat:
    """Read `<prefix>_type` and `<prefix>_reshape`; raise FormatError if wrong."""
    part = "key" if prefix == "label" else "value"
    type_name = config.get(f"{prefix}_type")
    reshape = config.get(f"{prefix}_reshape")
    if isinstance(type_name, str) and type_name in TEXT_NAMES:
        return TextFormat(shape_of(reshape, f"{prefix}_reshape", item_bytes=1) or (), part)
    dtype = type_of(type_name, f"{prefix}_type")
    shape = shape_of(reshape, f"{prefix}_reshape", item_bytes_of(dtype))
    return RawFormat(dtype, shape, part)
