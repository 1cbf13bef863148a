"""Small LiteRT exports, made without TensorFlow: the sum of four numbers, twice."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from .orders import FEATURES

OUTPUTS = 2
SIZES = (1, 8, 32)


def sum_file(rows: int, *, bias: float = 0.0, weight: float = 1.0) -> bytes:
    """Return a file for `rows` records that answers with `weight` times sum plus `bias`."""
    weights = np.full((OUTPUTS, FEATURES), weight, np.float32)
    tensors = [
        _tensor("record", (rows, FEATURES), buffer=0),
        _tensor("weights", weights.shape, buffer=1),
        _tensor("bias", (OUTPUTS,), buffer=2),
        _tensor("answer", (rows, OUTPUTS), buffer=0),
    ]
    layer = schema.OperatorT()
    layer.inputs, layer.outputs = [0, 1, 2], [3]
    layer.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    layer.builtinOptions = schema.FullyConnectedOptionsT()
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, [layer]
    graph.inputs, graph.outputs = [0], [3]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    bias_bytes = np.full(OUTPUTS, bias, np.float32).tobytes()
    model.buffers = [_buffer(b""), _buffer(weights.tobytes()), _buffer(bias_bytes)]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def manifest(sizes: Sequence[int] = SIZES, **changes: Any) -> dict[str, Any]:
    """Return what the archive of such files says of them."""
    return {
        "batch_sizes": list(sizes),
        "input": {"name": "record", "dtype": "float32", "shape": [FEATURES]},
        "output": {"name": "answer", "dtype": "float32", "shape": [OUTPUTS]},
        "max_difference": {str(size): 1e-7 for size in sizes},
        "largest_output": 1.0,
    } | changes


def sum_export(
    *,
    described: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes | None] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """Return an archive; `files` replaces members by name, or with None leaves them out."""
    members: dict[str, bytes | None] = {
        "manifest.json": json.dumps(described or manifest()).encode(),
        **{f"batch-{size}.tflite": sum_file(size) for size in SIZES},
        **(files or {}),
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as zipped:
        for name, content in members.items():
            if content is not None:
                zipped.writestr(name, content)
    return archive.getvalue()


def _tensor(name: str, shape: Sequence[int], *, buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def _buffer(content: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = list(content) or None
    return buffer
