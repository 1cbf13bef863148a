"""What users hand over (lists, tensors, frames, scalars), as arrays of numbers or texts."""

from numbers import Real
from typing import Any

import numpy as np

from kafkaml.exceptions import FormatError
from kafkaml.records.base import Array


def as_array(data: Any) -> Array:
    """Return data as an array of numbers, booleans or texts.

    Takes whatever NumPy understands, so a pandas frame, too; one of numbers and booleans
    becomes float64. Raises FormatError for anything else.
    """
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as e:
        raise FormatError(f"the data is no array: {e}") from e
    if array.dtype.kind == "O":
        return _typed(array)
    if array.dtype.kind not in "biufU":
        raise FormatError(
            f"data of type {array.dtype} cannot be sent: use numbers or texts"
        )
    return array


def _typed(array: Array) -> Array:
    items = array.ravel().tolist()
    if all(isinstance(item, str) for item in items):
        return array.astype(np.str_)
    if all(isinstance(item, Real | np.bool_) for item in items):
        return array.astype(np.float64)
    kinds = sorted({type(item).__name__ for item in items})
    raise FormatError(f"data of mixed types cannot be sent: {', '.join(kinds)[:200]}")
