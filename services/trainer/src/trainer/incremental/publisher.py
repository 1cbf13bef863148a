"""When a model that is still trained is good enough to be published. Child only."""

from pathlib import Path
from time import monotonic
from typing import Any

import keras

from kafkaml.schemas.fit import VALIDATION_PREFIX
from kafkaml.schemas.incremental import IncrementalOptions
from trainer.checkpoints.checkpoint import Arrays
from trainer.checkpoints.fit_state import assign, values_of
from trainer.exceptions import ModelCodeError
from trainer.fit.progress import Send
from trainer.incremental.compiled_steps import CompiledSteps
from trainer.incremental.reservoir import Rows
from trainer.messages import IMPROVED_FILE, Improved, Metrics
from trainer.models.file import save_model


class Publisher:
    """Compares the model with the one that was published last, on the same new records.

    So neither a harder part of the stream nor a change of what it means keeps a better
    model back. At most one waits to be uploaded.
    """

    def __init__(
        self, model: Any, *, options: IncrementalOptions, steps: CompiledSteps, send: Send
    ) -> None:
        self._model = model
        self._options = options
        self._steps = steps
        self._send = send
        self._path = Path(IMPROVED_FILE)
        self._published_at = -float("inf")
        self.weights: Arrays = []
        self.count = 0
        self.epoch: int | None = None

    def consider(self, epoch: int, values: Metrics, held_back: Rows) -> None:
        """Publish the model if it is better; `values` are its metrics on these records."""
        waited = monotonic() - self._published_at
        if waited < self._options.publish_seconds or self._path.exists():
            return
        if self.is_better(values, held_back):
            self._publish(epoch, values)

    def is_better(self, values: Metrics, held_back: Rows) -> bool:
        """Say whether the model is better than the published one, if there is one."""
        value = self._watched(values)
        if value is None:
            return False
        if not self.weights:
            return True
        than = self._watched(self.measure_published(held_back))
        return than is None or self._is_improvement(value, than)

    def measure_published(self, held_back: Rows) -> Metrics:
        """Return the metrics of the published model; the present one stays as it is."""
        present = values_of(self._model.variables)
        assign(self._model.variables, self.weights)
        try:
            return self._steps.measure(held_back)
        finally:
            assign(self._model.variables, present)

    def restore(self) -> None:
        """Give the model the weights that were published."""
        assign(self._model.variables, self.weights)

    def _publish(self, epoch: int, values: Metrics) -> None:
        partial = self._path.with_name(f"part-{self._path.name}")
        save_model(self._model, partial)
        partial.replace(self._path)
        self.weights = values_of(self._model.variables)
        self.count += 1
        self.epoch = epoch
        self._published_at = monotonic()
        named = {VALIDATION_PREFIX + name: value for name, value in values.items()}
        self._send(Improved(epoch=epoch, values=named))

    def _watched(self, values: Metrics) -> float | None:
        name = self._options.monitor.removeprefix(VALIDATION_PREFIX)
        if name not in values:
            known = ", ".join(sorted(VALIDATION_PREFIX + each for each in values))
            raise ModelCodeError(
                f"incremental.monitor is {self._options.monitor!r}, which the model does "
                f"not report; it reports {known}"
            )
        return values[name]

    def _is_improvement(self, value: float, than: float) -> bool:
        """Let Keras decide, which knows the direction of each metric."""
        options = self._options
        watcher = keras.callbacks.EarlyStopping(
            monitor=options.monitor,
            mode=options.mode,
            min_delta=options.min_delta,
            patience=2**31,
        )
        watcher.set_model(self._model)
        watcher.on_train_begin()
        watcher.best = than
        try:
            watcher.on_epoch_end(0, {options.monitor: value})
        except ValueError as e:
            raise ModelCodeError(
                f"whether more or less of {options.monitor!r} is better is not known: set "
                "incremental.mode to 'max' or 'min'"
            ) from e
        return bool(watcher.wait == 0)
