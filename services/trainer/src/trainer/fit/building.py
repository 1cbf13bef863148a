"""What a model would only make with its first step, made before it. Child only.

TensorFlow traces a step that makes variables once more, to see what it does without: half
of the time that passes before the first step is done.
"""

from typing import Any

import keras
from numpy.typing import NDArray

from trainer.data.dataset import Dataset


def build_beforehand(model: Any, dataset: Dataset) -> None:
    """Let metrics, loss and optimizer have their variables.

    A model with steps of its own is left alone: what it makes, and when, is its affair. So
    is one that does not fit the records: its first step shows why.
    """
    if not has_keras_steps(model):
        return
    try:
        batch = _symbol(dataset.features), _symbol(dataset.labels)
        # No public way makes them all; `fit` itself takes this one on several devices.
        model._symbolic_build(data_batch=batch)  # noqa: SLF001  # see above
    except Exception:  # noqa: BLE001  # a custom layer or metric may raise anything
        return


def has_keras_steps(model: Any) -> bool:
    """Tell whether a model trains and is measured by the steps of Keras."""
    kind = type(model)
    return (
        kind.train_step is keras.Model.train_step
        and kind.test_step is keras.Model.test_step
    )


def _symbol(rows: NDArray[Any]) -> Any:
    return keras.KerasTensor((None, *rows.shape[1:]), rows.dtype.name)
