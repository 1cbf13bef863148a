"""Names of types and shapes, as they stand in the configuration of the RAW format."""

import math
import re

from kafkaml.exceptions import FormatError

TEXT_NAMES = frozenset({"string", "str", "str_"})
MAX_RECORD_BYTES = 2**31 - 1
MAX_DIMENSIONS = 31

# As NumPy writes a type, and its names; a byte has no order. NumPy's own aliases differ
# between its versions and machines, so they are not asked for.
_NAMES = {
    "|b1": "bool bool_",
    "|i1": "int8 byte",
    "<i2": "int16 short",
    "<i4": "int32 intc",
    "<i8": "int64 int int_ longlong",
    "|u1": "uint8 ubyte",
    "<u2": "uint16 ushort",
    "<u4": "uint32 uintc",
    "<u8": "uint64 uint ulonglong",
    "<f2": "float16 half",
    "<f4": "float32 single float",  # TensorFlow's float: existing sinks write 4 bytes
    "<f8": "float64 double",
}
_TYPES = {name: dtype for dtype, names in _NAMES.items() for name in names.split()}


def type_of(name: object, setting: str) -> str:
    """Return the little-endian type of a name; raise FormatError if it is not a number.

    `half`, `float` and `double` have 2, 4 and 8 bytes, as in TensorFlow.
    """
    if isinstance(name, str) and name in _TYPES:
        return _TYPES[name]
    raise FormatError(
        f"{setting}: {_shown(name)} is not a type of records: use half float double bool "
        "string, or a NumPy name such as float32, int64 or uint8"
    )


def item_bytes_of(dtype: str) -> int:
    """Return how many bytes one number of a type of `type_of` has."""
    return int(dtype[2:])


def shape_of(text: object, setting: str, item_bytes: int) -> tuple[int, ...] | None:
    """Read dimensions separated by blanks; None for null and for an empty text.

    Raises FormatError for anything but positive numbers, and for a record that would be
    larger than Kafka carries.
    """
    if text is None or text == "":
        return None
    parts = text.split() if isinstance(text, str) and len(text) <= 1000 else []
    if not parts or not all(re.fullmatch(r"[1-9][0-9]{0,9}", part) for part in parts):
        raise FormatError(
            f"{setting}: {_shown(text)} is not a shape: write positive whole numbers "
            "separated by blanks, such as 28 28, or null. All records have one size, so -1 "
            "cannot be used"
        )
    shape = tuple(int(part) for part in parts)
    if len(shape) > MAX_DIMENSIONS:
        raise FormatError(
            f"{setting}: {len(shape)} dimensions are too many, {MAX_DIMENSIONS} is the most"
        )
    if math.prod(shape) * item_bytes > MAX_RECORD_BYTES:
        raise FormatError(f"{setting}: a record of {_shown(text)} is larger than 2 GiB")
    return shape


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
