"""Fitting a model to a dataset. Runs inside the child only."""

import math
import platform
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kafkaml.schemas.attempts import EpochReport
from kafkaml.schemas.deployments import TrainingParameters
from trainer.batches import BatchSource, steps_of, steps_per_execution
from trainer.dataset import Dataset
from trainer.evaluation import confusion_matrix, evaluate
from trainer.exceptions import DivergedError
from trainer.messages import (
    DATA_DIRECTORY,
    MODEL_FILE,
    EpochDone,
    Message,
    Metrics,
    StepDone,
    Trained,
)

Send = Callable[[Message], None]


class FitProgress(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Reports each epoch, and ends a training whose loss is no longer a number."""

    async_safe = True  # batches need not wait until this has seen their results

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self._step_done = False
        self.training: Metrics = {}
        self.validation: Metrics = {}
        self.diverged_in: int | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        del batch, logs
        if not self._step_done:
            self._step_done = True
            self._send(StepDone())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = finite_metrics(logs or {})
        self.training = {k: v for k, v in values.items() if not k.startswith("val_")}
        validation = {k[4:]: v for k, v in values.items() if k.startswith("val_")}
        self.validation = validation or self.validation
        self._send(EpochDone(report=EpochReport(epoch=epoch + 1, values=values)))
        if values.get("loss", 0.0) is None:
            self.diverged_in = epoch + 1
            self.model.stop_training = True


def train_model(model: Any, parameters: TrainingParameters, *, send: Send) -> Trained:
    """Fit, evaluate and save a model; raise DivergedError if its loss is no number."""
    dataset = Dataset.load(Path(DATA_DIRECTORY))
    source = BatchSource(dataset)
    started = monotonic()
    progress = fit(model, dataset, source, parameters, send=send)
    fitted = monotonic()
    size = parameters.batch_size
    test = evaluate(model, source, dataset.parts.test, size=size)
    matrix = None
    if parameters.confusion_matrix:
        matrix = confusion_matrix(model, source, dataset, size=size)
    model.save(MODEL_FILE)
    return Trained(
        training=progress.training,
        validation=progress.validation,
        test=finite_metrics(test),
        confusion_matrix=matrix,
        fit_seconds=fitted - started,
        evaluate_seconds=monotonic() - fitted,
        versions=_versions(),
    )


def fit(
    model: Any,
    dataset: Dataset,
    source: BatchSource,
    parameters: TrainingParameters,
    *,
    send: Send,
) -> FitProgress:
    """Fit a model; the same parameters and dataset give the same weights."""
    options = parameters.fit
    parts = dataset.parts
    size = parameters.batch_size
    _choose_steps_per_execution(model, parameters, steps_of(len(parts.training), size))
    progress = FitProgress(send)
    validation = None
    if len(parts.validation):
        validation = source.batches(
            parts.validation, size=options.validation_batch_size or size
        )
    model.fit(
        source.batches(
            parts.training,
            size=size,
            shuffle_seed=parameters.seed if options.shuffle else None,
        ),
        validation_data=validation,
        validation_freq=options.validation_freq,
        epochs=parameters.epochs,
        class_weight=_class_weight(options.class_weight, model),
        callbacks=[progress],
        shuffle=False,  # the batches are drawn by chance already
        verbose=0,
    )
    if progress.diverged_in is not None:
        raise DivergedError(
            f"the loss is not a number after epoch {progress.diverged_in}: lower the "
            "learning rate, scale the records, or look for bad values among them"
        )
    return progress


def finite_metrics(logs: dict[str, Any]) -> Metrics:
    """Return the metrics that are one number; one that is not finite is None."""
    arrays = {name: np.asarray(value) for name, value in logs.items()}
    numbers = {
        name: float(array.item())
        for name, array in arrays.items()
        if array.size == 1 and array.dtype.kind in "biuf"
    }
    return {k: number if math.isfinite(number) else None for k, number in numbers.items()}


def _choose_steps_per_execution(
    model: Any, parameters: TrainingParameters, steps: int
) -> None:
    """Set it as the deployment says; else keep what the source compiled in; else choose."""
    wanted = parameters.fit.steps_per_execution
    if wanted is not None:
        model.steps_per_execution = wanted
    elif model.steps_per_execution == 1:
        model.steps_per_execution = steps_per_execution(steps)


def _class_weight(weights: dict[str, float] | None, model: Any) -> dict[int, float] | None:
    """Return the weight of every class of the model; 1 for those that are not named."""
    if not weights:
        return None
    named = {int(label): weight for label, weight in weights.items()}
    outputs = model.output_shape[-1] if hasattr(model, "output_shape") else None
    classes = max(2, *(label + 1 for label in named), outputs or 0)
    return {label: named.get(label, 1.0) for label in range(classes)}


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }
