"""A trained model as exports are made from it. Runs in the exporting process only."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from kafkaml.descriptions import TensorSignature
from trainer.exceptions import ExportError
from trainer.exports.sample import Answers, Array, sample_of

RECORDS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Exportable:
    """A model that was loaded without its source, and records to try its exports on.

    The shapes in its signatures are those of the stream: without an axis of any size.
    """

    model: Any
    input: TensorSignature
    output: TensorSignature
    records: Array
    answers: Answers

    @classmethod
    def load(cls, model_file: Path, *, data_directory: Path) -> Self:
        """Load a `.keras` file, running no code from it; raise ExportError."""
        model = _load_model(model_file)
        dtype = _input_dtype(model)
        records = sample_of(data_directory, dtype=dtype)
        rows = answers_of(lambda batch: model(batch, training=False), records)
        return cls(
            model=model,
            input=TensorSignature(
                name="record", dtype=dtype, shape=list(records.shape[1:])
            ),
            output=TensorSignature(
                name="answer", dtype=rows.dtype.name, shape=list(rows.shape[1:])
            ),
            records=records,
            answers=Answers(rows),
        )

    @property
    def weight_bytes(self) -> int:
        return sum(
            int(np.prod(each.shape)) * tf.as_dtype(each.dtype).size
            for each in self.model.variables
        )

    def signature(self, records: int | None) -> Any:
        """Return what the model takes; null: any number of records."""
        return keras.InputSpec(
            shape=(records, *self.input.shape), dtype=self.input.dtype, name="record"
        )

    def require_numbers(self) -> None:
        """Raise ExportError if records are texts."""
        if self.input.dtype == "string":
            raise ExportError(
                "the model takes texts, this format only numbers: export it as saved_model"
            )


def single(outputs: Any) -> Any:
    """Return the one output of a model; raise ExportError if it has several."""
    flat = tf.nest.flatten(outputs)
    if len(flat) != 1:
        raise ExportError(
            f"the model has {len(flat)} outputs; an answer holds one: join them inside it"
        )
    return flat[0]


def _load_model(path: Path) -> Any:
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as e:
        raise ExportError(
            f"the model cannot be loaded without its source: {first_line(e)}. Make it of "
            "Keras' own layers, without Lambda layers or own classes"
        ) from e


def _input_dtype(model: Any) -> str:
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) > 1:
        raise ExportError(f"the model has {len(inputs)} inputs; a record gives one array")
    return str(inputs[0].dtype) if inputs else "float32"


def answers_of(predict: Callable[[Any], Any], records: Array) -> Array:
    """Return what a model answers to records, a row for each."""
    parts = []
    for start in range(0, len(records), RECORDS_AT_ONCE):
        batch = tf.convert_to_tensor(records[start : start + RECORDS_AT_ONCE])
        parts.append(single(predict(batch)).numpy())
    return np.concatenate(parts)


def first_line(error: BaseException) -> str:
    """Return what an error says, in short."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else 'no message'}"
