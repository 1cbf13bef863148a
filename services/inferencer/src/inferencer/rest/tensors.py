"""Tensors of the Open Inference Protocol, version 2, as arrays and back."""

import math
from typing import Any

import numpy as np

from inferencer.exceptions import RequestRefusedError
from kafkaml.records.base import Array, Dtype

BYTES = "BYTES"
_DTYPES: dict[str, Dtype] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
_DATATYPES = {dtype: name for name, dtype in _DTYPES.items()}
# What JSON has for each kind of number: 1 is fine for a float, 1.5 is not for an integer.
_KINDS = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}


def datatype_of(dtype: Dtype) -> str:
    """Return the protocol's name of a type; texts are BYTES."""
    return _DATATYPES.get(dtype.newbyteorder("="), BYTES)


def read_tensor(tensor: Any, *, place: str) -> Array:
    """Return the array of a tensor in JSON; raise RequestRefusedError (400) if it is none.

    Its data may be nested as its shape says, or flat with the last axis first to change.
    """
    if not isinstance(tensor, dict):
        raise RequestRefusedError(f"{place} is not an object")
    shape = _shape_of(tensor.get("shape"), place)
    data = tensor.get("data")
    if not isinstance(data, list):
        raise RequestRefusedError(
            f"{place}.data is not an array: the binary form is not understood"
        )
    flat = _flat(data, tensor.get("datatype"), place)
    if flat.size != math.prod(shape):
        raise RequestRefusedError(
            f"{place}.data has {flat.size} elements, its shape {list(shape)} "
            f"{math.prod(shape)}"
        )
    return flat.reshape(shape)


def write_tensor(name: str, array: Array) -> dict[str, Any]:
    """Return a tensor with flat data; orjson has to write it, with its option for NumPy."""
    datatype = datatype_of(array.dtype)
    data: Any = np.ascontiguousarray(array).reshape(-1)
    if datatype == BYTES:
        data = [_text(each) for each in data.tolist()]
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": data}


def _shape_of(shape: Any, place: str) -> tuple[int, ...]:
    is_list = isinstance(shape, list) and shape
    if not is_list or not all(type(each) is int and each > 0 for each in shape):
        raise RequestRefusedError(
            f"{place}.shape has to list sizes above 0; the first counts the records"
        )
    return tuple(shape)


def _flat(data: list[Any], datatype: Any, place: str) -> Array:
    if datatype == BYTES:
        return _texts(data, place)
    dtype = _DTYPES.get(datatype) if isinstance(datatype, str) else None
    if dtype is None:
        known = ", ".join([*_DTYPES, BYTES])
        raise RequestRefusedError(f"{place}.datatype is {datatype!r}, not one of {known}")
    try:
        array = np.array(data).reshape(-1)
    except ValueError as e:
        raise RequestRefusedError(f"{place}.data is not a rectangular array") from e
    if array.dtype.kind not in _KINDS[dtype.kind] or not _fits(array, dtype):
        raise RequestRefusedError(f"{place}.data holds what is not {datatype}")
    return array.astype(dtype)


def _fits(array: Array, dtype: Dtype) -> bool:
    if dtype.kind == "b" or not array.size:
        return True
    number = float if dtype.kind == "f" else int  # Python's, which compare exactly
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    least, most = array.min().item(), array.max().item()
    return bool(number(limits.min) <= least and most <= number(limits.max))


def _texts(data: list[Any], place: str) -> Array:
    flat = data
    while flat and all(isinstance(each, list) for each in flat):
        flat = [inner for each in flat for inner in each]
    if not all(isinstance(each, str) for each in flat):
        raise RequestRefusedError(f"{place}.data holds what is not a text")
    array = np.empty(len(flat), object)
    array[:] = [each.encode() for each in flat]
    return array


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
