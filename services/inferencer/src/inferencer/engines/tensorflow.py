"""The engine that runs any Keras model: one compiled TensorFlow function."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from inferencer.exceptions import ArtifactModelError, PredictionError
from kafkaml.records.base import Array

WARM_UP_ROWS = (1, 2, 32)


class TensorFlowLoader:
    """Loads `.keras` files, in Keras' safe mode. A thread count of 0 means one per core."""

    def __init__(self, *, intra_op_threads: int = 0, inter_op_threads: int = 0) -> None:
        self._intra_op_threads = intra_op_threads
        self._inter_op_threads = inter_op_threads

    def prepare(self) -> None:
        """Import TensorFlow, which takes seconds, and set its threads."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self._intra_op_threads)
        tf.config.threading.set_inter_op_parallelism_threads(self._inter_op_threads)

    def load(self, path: Path, *, input_shape: tuple[int, ...]) -> "TensorFlowEngine":
        model = _load_model(path)
        dtype = _input_dtype(model)
        try:
            function = _compile(model, dtype, input_shape)
            engine = TensorFlowEngine(
                function=function, dtype=dtype, input_shape=input_shape
            )
            for rows in WARM_UP_ROWS:
                engine.predict(engine.blank_batch(rows))
        except ArtifactModelError:
            raise
        except Exception as e:
            raise ArtifactModelError(
                f"the model does not take records of shape {input_shape}: {_text(e)}. "
                "Give the inference an input_config that fits the model."
            ) from e
        return engine


class TensorFlowEngine:
    """Predicts by a concrete function, traced once for batches of every size.

    `model.predict` does the same in 50 ms and more per call, whatever the batch.
    """

    def __init__(self, *, function: Any, dtype: str, input_shape: tuple[int, ...]) -> None:
        self.input_shape = input_shape
        self._function = function
        self._dtype = dtype

    def predict(self, batch: Array) -> Array:
        import tensorflow as tf

        if batch.shape[1:] != self.input_shape:
            raise PredictionError(
                f"the record has the shape {batch.shape[1:]}, "
                f"the model takes {self.input_shape}"
            )
        try:
            tensor = tf.convert_to_tensor(self._cast(batch))
            predictions: Array = self._function(tensor).numpy()
        except Exception as e:
            raise PredictionError(_text(e)) from e
        if len(predictions) != len(batch):
            raise PredictionError(
                f"the model made {len(predictions)} rows of {len(batch)} records"
            )
        return predictions

    def blank_batch(self, rows: int) -> Array:
        """Return a batch of zeros (of empty texts for a model of texts)."""
        dtype = "S1" if self._dtype == "string" else self._dtype
        return np.zeros((rows, *self.input_shape), dtype)

    def _cast(self, batch: Array) -> Array:
        return batch if self._dtype == "string" else batch.astype(self._dtype, copy=False)


def _load_model(path: Path) -> Any:
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as e:
        raise ArtifactModelError(
            f"the model cannot be loaded safely: {_text(e)}. A model that is to be served "
            "must be made of Keras' own layers, without Lambda layers or own classes."
        ) from e


def _input_dtype(model: Any) -> str:
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) > 1:
        raise ArtifactModelError(
            f"the model has {len(inputs)} inputs; a record gives one array. "
            "Join the inputs inside the model."
        )
    return str(inputs[0].dtype) if inputs else "float32"


def _compile(model: Any, dtype: str, input_shape: tuple[int, ...]) -> Any:
    import tensorflow as tf

    def predict(batch: Any) -> Any:
        outputs = tf.nest.flatten(model(batch, training=False))
        if len(outputs) != 1:
            raise ArtifactModelError(
                f"the model has {len(outputs)} outputs; an answer holds one. "
                "Join the outputs inside the model."
            )
        return outputs[0]

    signature = [tf.TensorSpec([None, *input_shape], dtype)]
    function = tf.function(predict, input_signature=signature, autograph=False)
    return function.get_concrete_function()


def _text(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:500] if lines else 'no message'}"
