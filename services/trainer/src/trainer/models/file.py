"""A model as a file, and what it was made with. Child only."""

import platform
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def save_model(model: Any, path: Path) -> None:
    """Save a model so that it loads wherever Keras does.

    Keras wraps the optimizer of a model in 16 bits, but forgets that in the model's file.
    """
    optimizer = getattr(model, "optimizer", None)
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        model.save(path)
        return
    model.optimizer = optimizer.inner_optimizer
    try:
        model.save(path)
    finally:
        model.optimizer = optimizer


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a model depends on."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
