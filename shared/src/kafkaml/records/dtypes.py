"""Names of types and shapes, as they stand in the configuration of the RAW format."""

import math
import re
from typing import Any

import numpy as np

from kafkaml.exceptions import FormatError

TEXT_NAMES = frozenset({"string", "str", "str_"})
MAX_RECORD_BYTES = 2**31 - 1
MAX_DIMENSIONS = 31

Dtype = np.dtype[Any]

_NUMPY_NAMES = (
    "bool",
    "bool_",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "byte",
    "ubyte",
    "short",
    "ushort",
    "intc",
    "uintc",
    "int",
    "uint",
    "int_",
    "longlong",
    "ulonglong",
    "half",
    "single",
    "double",
)
_DTYPES: dict[str, Dtype] = {
    **{name: np.dtype(name).newbyteorder("<") for name in _NUMPY_NAMES},
    "float": np.dtype("<f4"),  # TensorFlow's meaning: existing sinks write 4 bytes
}


def dtype_of(name: object, setting: str) -> Dtype:
    """Return the little-endian type of a name; raise FormatError if it is not a number.

    `half`, `float` and `double` have 2, 4 and 8 bytes, as in TensorFlow.
    """
    if isinstance(name, str) and name in _DTYPES:
        return _DTYPES[name]
    raise FormatError(
        f"{setting}: {_shown(name)} is not a type of records: use half float double bool "
        "string, or a NumPy name such as float32, int64 or uint8"
    )


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
