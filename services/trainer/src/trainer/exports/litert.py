"""A model as LiteRT files, one for each batch size. Exporting process only.

Files for batches of one fixed size answer up to 4.6 times as fast as one for any size, and
padding a batch to the next size costs less than that.
"""

import re
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from pydantic import BaseModel
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from kafkaml.descriptions import TensorSignature
from trainer.exceptions import ExportError
from trainer.exports.exportable import Exportable, single
from trainer.exports.litert_sizes import batch_sizes_of
from trainer.exports.sample import Array

MANIFEST = "manifest.json"

_UNKNOWN_OPERATION = re.compile(r"'(tf\.\w+)' op is neither a custom op nor a flex op")


class Manifest(BaseModel):
    """What is in the archive; differences are the largest to Keras, on real records."""

    batch_sizes: list[int]
    input: TensorSignature
    output: TensorSignature
    max_difference: dict[str, float]
    largest_output: float


def export_litert(model: Exportable, path: Path) -> None:
    """Write an archive of all batch sizes, none of it compressed; raise ExportError."""
    model.require_numbers()
    sizes = batch_sizes_of(
        weight_bytes=model.weight_bytes, record_bytes=model.records[0].nbytes
    )
    differences = {}
    with ZipFile(path, "w", ZIP_STORED) as archive:
        for size in sizes:
            content = _convert(model, size)
            found = _answers(content, model.records, size)
            differences[str(size)] = model.answers.difference(found)
            archive.writestr(f"batch-{size}.tflite", content)
        manifest = Manifest(
            batch_sizes=sizes,
            input=model.input,
            output=model.output,
            max_difference=differences,
            largest_output=model.answers.largest,
        )
        archive.writestr(MANIFEST, manifest.model_dump_json())


def _convert(model: Exportable, size: int) -> bytes:
    """Convert a graph whose weights are constants.

    With its variables the converter ends the process (LLVM ERROR), and by way of a folder
    of a SavedModel it takes four times as long.
    """
    shape = (size, *model.input.shape)
    predict = tf.function(
        lambda record: single(model.model(record, training=False)), autograph=False
    )
    concrete = predict.get_concrete_function(
        tf.TensorSpec(shape, model.input.dtype, name="record")
    )
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    try:
        return bytes(converter.convert())
    except Exception as e:
        unknown = sorted(set(_UNKNOWN_OPERATION.findall(str(e))))
        if unknown:
            names = ", ".join(unknown)
            raise ExportError(f"LiteRT has nothing that does {names}") from e
        raise


def _answers(content: bytes, records: Array, size: int) -> Array:
    """Return the answers to records; the last batch is filled up by its last record."""
    interpreter: Any = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    parts = []
    for start in range(0, len(records), size):
        batch = records[start : start + size]
        filled = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        interpreter.set_tensor(taken["index"], filled)
        interpreter.invoke()
        parts.append(interpreter.get_tensor(given["index"])[: len(batch)])
    return np.concatenate(parts)
