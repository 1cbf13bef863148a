"""A model's compiled steps, without what Keras does around them. Child only.

`fit` and `evaluate` take 50 ms to begin with, which a few hundred records are not worth.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras.src.trainers.data_adapters.data_adapter_utils import (
    class_weight_to_sample_weights,
)
from numpy.typing import NDArray

from trainer.fit.progress import finite_metrics
from trainer.incremental.reservoir import Rows
from trainer.messages import Metrics

MEASURED_AT_ONCE = 256


class CompiledSteps:
    """Trains and measures one compiled model on rows of features and labels."""

    def __init__(
        self, model: Any, *, batch_size: int, class_weight: Mapping[int, float] | None
    ) -> None:
        model.steps_per_execution = 1
        self._model = model
        self._batch_size = batch_size
        self._class_weight = class_weight
        self._logs: Mapping[str, Any] = {}
        self._is_built = False

    @property
    def metrics(self) -> Metrics:
        """The metrics over all that was trained on since the last reset."""
        return finite_metrics(self._logs)

    def build(self, rows: Rows) -> None:
        """Let the model have all that it makes with its first step, by doing one."""
        self._is_built = True
        first = slice(self._batch_size)
        self._model.train_on_batch(*self._batch(rows[0][first], rows[1][first]))
        self._model.make_train_function()
        self._model.make_test_function()

    def train(self, rows: Rows, *, order: NDArray[np.int64]) -> None:
        """Do one step for each batch of the rows, in an order of theirs."""
        step, size = self._model.train_function, self._batch_size
        for start in range(0, len(order), size):
            part = order[start : start + size]
            self._logs = step(iter([self._batch(rows[0][part], rows[1][part])]))

    def measure(self, rows: Rows) -> Metrics:
        """Return the metrics on rows; those of the training begin anew."""
        self.reset()
        logs: Mapping[str, Any] = {}
        for start in range(0, len(rows[0]), MEASURED_AT_ONCE):
            part = slice(start, start + MEASURED_AT_ONCE)
            logs = self._model.test_function(iter([(rows[0][part], rows[1][part])]))
        values = finite_metrics(logs)
        self.reset()
        return values

    def reset(self) -> None:
        self._model.reset_metrics()
        self._logs = {}

    def _batch(self, features: NDArray[Any], labels: NDArray[Any]) -> tuple[Any, ...]:
        if self._class_weight is None:
            return features, labels
        weights = class_weight_to_sample_weights(np.asarray(labels), self._class_weight)
        return features, labels, weights
