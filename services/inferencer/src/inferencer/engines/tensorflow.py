"""The engines that need TensorFlow: one compiled function of a model."""

import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inferencer.exceptions import (
    ArtifactModelError,
    ExportDamagedError,
    PredictionError,
)
from kafkaml.records.base import Array

WARM_UP_ROWS = (1, 2, 32)
SIGNATURE = "serving_default"


class TensorFlowLoader:
    """Loads `.keras` files, in Keras' safe mode, and SavedModels.

    A thread count of 0 means one per core.
    """

    def __init__(self, *, intra_op_threads: int = 0, inter_op_threads: int = 0) -> None:
        self._intra_op_threads = intra_op_threads
        self._inter_op_threads = inter_op_threads

    def prepare(self) -> None:
        """Import TensorFlow, which takes seconds, and set its threads."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf

        # Both can only be set before TensorFlow has run anything; 0 is how it begins.
        threading = tf.config.threading
        if self._intra_op_threads:
            threading.set_intra_op_parallelism_threads(self._intra_op_threads)
        if self._inter_op_threads:
            threading.set_inter_op_parallelism_threads(self._inter_op_threads)
        # Newer GPUs would round float32 to ten bits: answers would differ by 1e-3.
        tf.config.experimental.enable_tensor_float_32_execution(False)

    def sees_gpu(self) -> bool:
        """Return whether TensorFlow, which is imported for this, has a GPU to run on."""
        self.prepare()
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))

    def load(self, path: Path, *, input_shape: tuple[int, ...]) -> "TensorFlowEngine":
        """Return the engine of a `.keras` file; raise ArtifactModelError."""
        return _engine_of(_load_model(path), input_shape, _only_one)

    def load_with_exit(
        self, path: Path, *, input_shape: tuple[int, ...], layer: str | None = None
    ) -> "tuple[TensorFlowEngine, int]":
        """Return an engine of both outputs of a `.keras` file, joined in each row.

        The second output, the prediction, comes first, and is as long as the number says;
        the first output follows, which is that of `layer` if it is named. Raise
        ArtifactModelError.
        """
        model = _load_model(path)
        if layer is not None:
            model = _with_output_of(model, layer)
        outputs = getattr(model, "outputs", None) or []
        if len(outputs) != 2:
            raise ArtifactModelError(
                f"the model has {len(outputs)} outputs; an early exit needs two, the "
                "tensor for the next model and the prediction, or the name of a layer"
            )
        engine = _engine_of(model, input_shape, _exit_first)
        return engine, math.prod(outputs[1].shape[1:])

    def load_saved_model(
        self, archive: Path, *, input_shape: tuple[int, ...]
    ) -> "TensorFlowEngine":
        """Return the engine of a zipped SavedModel; raise ExportDamagedError."""
        import tensorflow as tf

        with tempfile.TemporaryDirectory(prefix="kafkaml-saved-model-") as folder:
            place = _unzip(archive, Path(folder))
            try:
                loaded = tf.saved_model.load(str(place))
                function, dtype = _signature_of(loaded)
                return _warm(function, dtype, input_shape)
            except ExportDamagedError:
                raise
            except Exception as e:
                raise ExportDamagedError(f"TensorFlow cannot serve it: {_text(e)}") from e


class TensorFlowEngine:
    """Predicts by a concrete function, traced once for batches of every size.

    `model.predict` does the same in 50 ms and more per call, whatever the batch.
    """

    def __init__(
        self,
        *,
        function: Callable[[Any], Any],
        dtype: str,
        input_shape: tuple[int, ...],
    ) -> None:
        self.input_shape = input_shape
        self.input_dtype = np.dtype(object if dtype == "string" else dtype)
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

    def made_up_batch(self, rows: int) -> Array:
        """Return a batch of numbers from 0 to 1, blank for a model of anything else."""
        blank = self.blank_batch(rows)
        if blank.dtype.kind != "f":
            return blank
        return np.random.default_rng(1).random(blank.shape).astype(blank.dtype)

    def _cast(self, batch: Array) -> Array:
        return batch if self._dtype == "string" else batch.astype(self._dtype, copy=False)


def _engine_of(
    model: Any, input_shape: tuple[int, ...], join: Callable[[list[Any]], Any]
) -> TensorFlowEngine:
    dtype = _input_dtype(model)
    try:
        function = _compile(model, dtype, input_shape, join)
        return _warm(function, dtype, input_shape)
    except ArtifactModelError:
        raise
    except Exception as e:
        raise ArtifactModelError(
            f"the model does not take records of shape {input_shape}: {_text(e)}. "
            "Give the inference an input_config that fits the model."
        ) from e


def _warm(
    function: Callable[[Any], Any], dtype: str, input_shape: tuple[int, ...]
) -> TensorFlowEngine:
    engine = TensorFlowEngine(function=function, dtype=dtype, input_shape=input_shape)
    for rows in WARM_UP_ROWS:
        engine.predict(engine.blank_batch(rows))
    return engine


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


def _compile(
    model: Any, dtype: str, input_shape: tuple[int, ...], join: Callable[[list[Any]], Any]
) -> Any:
    import tensorflow as tf

    def predict(batch: Any) -> Any:
        return join(tf.nest.flatten(model(batch, training=False)))

    signature = [tf.TensorSpec([None, *input_shape], dtype)]
    function = tf.function(predict, input_signature=signature, autograph=False)
    return function.get_concrete_function()


def _only_one(outputs: list[Any]) -> Any:
    if len(outputs) != 1:
        raise ArtifactModelError(
            f"the model has {len(outputs)} outputs; an answer holds one. "
            "Join the outputs inside the model, or give the inference an early_exit."
        )
    return outputs[0]


def _exit_first(outputs: list[Any]) -> Any:
    import tensorflow as tf

    rows = [tf.reshape(each, (tf.shape(each)[0], -1)) for each in reversed(outputs)]
    return tf.concat([tf.cast(each, tf.float32) for each in rows], axis=1)


def _with_output_of(model: Any, layer: str) -> Any:
    """Return a model of two outputs: that of a layer, and that of the model."""
    import keras

    names = [each.name for each in model.layers]
    if layer not in names:
        raise ArtifactModelError(
            f"the model has no layer {layer!r}, but {', '.join(names)}"
        )
    try:
        return keras.Model(model.inputs, [model.get_layer(layer).output, *model.outputs])
    except Exception as e:
        raise ArtifactModelError(
            f"the output of the layer {layer!r} cannot go on: {_text(e)}"
        ) from e


def _unzip(archive: Path, folder: Path) -> Path:
    """Return the folder of the SavedModel; raise ExportDamagedError."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            size = sum(info.file_size for info in zipped.infolist())
            if size > shutil.disk_usage(folder).free:
                raise ExportDamagedError(f"its {size} bytes do not fit on the disk")
            # Names that would lead out of the folder are changed so that they do not.
            zipped.extractall(folder)
    except (zipfile.BadZipFile, OSError, NotImplementedError, EOFError) as e:
        raise ExportDamagedError(f"it cannot be unpacked: {e}") from e
    found = sorted(folder.rglob("saved_model.pb"))
    if not found:
        raise ExportDamagedError("it has no saved_model.pb")
    return found[0].parent


def _signature_of(loaded: Any) -> tuple[Callable[[Any], Any], str]:
    """Return the function that serves, and the type it takes."""
    try:
        signature = loaded.signatures[SIGNATURE]
    except KeyError as e:
        raise ExportDamagedError(f"it has no signature {SIGNATURE}") from e
    inputs = signature.structured_input_signature[1]
    outputs = signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise ExportDamagedError(f"it has {len(inputs)} inputs and {len(outputs)} outputs")
    [(taken, described)], [given] = inputs.items(), outputs

    # The signature holds its variables by what was loaded, so this must be kept too.
    def predict(batch: Any, kept: Any = loaded) -> Any:  # noqa: ARG001
        return signature(**{taken: batch})[given]

    return predict, str(described.dtype.name)


def _text(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:500] if lines else 'no message'}"
