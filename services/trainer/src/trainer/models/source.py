"""From a model's source to a compiled Keras model. Runs inside the child only."""

import linecache
import sys
from types import ModuleType
from typing import Any

import keras
import tensorflow as tf

from kafkaml.schemas.fit import MixedPrecision
from trainer.exceptions import ModelCodeError

SOURCE_NAME = "model.py"
MODULE_NAME = "model"


def build_model(
    source: str, *, seed: int, mixed_precision: MixedPrecision | None = None
) -> Any:
    """Run a source and return the model that it binds to `model`, built and compiled.

    The same source and seed give the same weights. Raise ModelCodeError if there is no such
    model; what the source itself raises passes through.
    """
    if mixed_precision is not None:
        keras.config.set_dtype_policy(mixed_precision)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    module = run_source(source)
    if not hasattr(module, "model"):
        raise ModelCodeError("the source binds nothing to the name `model`")
    model = module.model
    if not isinstance(model, keras.Model):
        raise ModelCodeError(
            f"`model` is a {type(model).__name__}, not a Keras model: bind a keras.Model"
        )
    if not model.built or input_shapes(model) is None:
        raise ModelCodeError(
            "the model is not built: begin it with keras.Input(shape), or call model.build"
        )
    if not model.compiled:
        raise ModelCodeError("the model is not compiled: call model.compile(...)")
    if mixed_precision is not None:
        _check_output_types(model, mixed_precision)
    return model


def run_source(source: str) -> ModuleType:
    """Run a source as a module; its lines are known to tracebacks and to AutoGraph."""
    module = ModuleType(MODULE_NAME)
    module.__file__ = SOURCE_NAME
    lines = source.splitlines(keepends=True)
    linecache.cache[SOURCE_NAME] = (len(source), None, lines, SOURCE_NAME)
    sys.modules[MODULE_NAME] = module
    code = compile(source, SOURCE_NAME, "exec", dont_inherit=True)
    exec(code, vars(module))  # noqa: S102  # this is what the child is there for
    return module


def _check_output_types(model: Any, mixed_precision: MixedPrecision) -> None:
    """Raise ModelCodeError if outputs have 16 bits: a loss, and those served, need more."""
    types = {str(each.dtype) for each in getattr(model, "outputs", None) or []}
    small = types & {"float16", "bfloat16"}
    if small:
        raise ModelCodeError(
            f"with fit.mixed_precision {mixed_precision!r} the model's output is "
            f"{small.pop()}: give its last layer dtype='float32'"
        )


def input_shapes(model: Any) -> list[tuple[int | None, ...]] | None:
    """Return the shape of each input without the batch axis; None if it is not known."""
    inputs = getattr(model, "inputs", None)
    if inputs:
        return [tuple(each.shape[1:]) for each in inputs]
    config = model.get_build_config() or {}
    shapes = config.get("shapes_dict") or {"input": config.get("input_shape")}
    if not all(isinstance(shape, list | tuple) for shape in shapes.values()):
        return None
    return [tuple(shape[1:]) for shape in shapes.values()]
