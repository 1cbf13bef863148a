"""What watches a fit: reports how far it is and ends what has no use. Child only."""

import math
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import keras
import numpy as np

from kafkaml.schemas.attempts import EpochReport
from kafkaml.schemas.fit import VALIDATION_PREFIX, FitOptions
from trainer.checkpoints.checkpoint import Position
from trainer.exceptions import DivergedError, ModelCodeError
from trainer.fit.building import has_keras_steps
from trainer.fit.options import learning_rate_of
from trainer.fit.pace import Extent, Pace
from trainer.messages import EpochDone, FitProgressed, Message, Metrics

Send = Callable[[Message], None]


class FitProgress(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Reports steps and epochs; the epochs of a fold are its own affair.

    Ends the fit with DivergedError once the loss is not finite, with ModelCodeError if an
    option watches a metric that the model does not report.
    """

    def __init__(self, *, send: Send, extent: Extent, options: FitOptions) -> None:
        super().__init__()
        self._send = send
        self._extent = extent
        self._pace = Pace(extent)
        self._options = options
        self._epoch = 1
        self._are_names_known = False
        self._resumed: Position | None = None
        self.epochs: list[Metrics] = []
        self.reports: list[Metrics] = []

    def resume(
        self, position: Position, *, epochs: list[Metrics], reports: list[Metrics]
    ) -> None:
        """Go on from there: tell of the epochs that are done, be silent until then."""
        self._resumed = position
        self.epochs = list(epochs)
        for number, values in enumerate(reports, start=1):
            self._tell(number, values)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        logs = logs or {}
        step = batch + 1
        if self._is_done_already(step):
            return
        if not self._are_names_known:
            self._are_names_known = True
            self._check_monitors_early(logs)
        if not math.isfinite(_number(logs.get("loss", 0.0))):
            self._diverge(logs, step)
        progress = self._pace.progress(self._epoch, step, at=monotonic())
        if progress is not None:
            self._send(FitProgressed(report=progress))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch
        self._report_epoch(logs or {})
        self._check_monitors(logs or {})

    def training(self, epoch: int) -> Metrics:
        """Return the metrics of the training part after an epoch, from 1."""
        values = self.epochs[epoch - 1]
        return {k: v for k, v in values.items() if not k.startswith(VALIDATION_PREFIX)}

    def validation(self, epoch: int) -> Metrics:
        """Return those of the validation part in the last validated epoch up to this."""
        for values in reversed(self.epochs[:epoch]):
            found = {
                name.removeprefix(VALIDATION_PREFIX): value
                for name, value in values.items()
                if name.startswith(VALIDATION_PREFIX)
            }
            if found:
                return found
        return {}

    def _report_epoch(self, logs: Mapping[str, Any]) -> None:
        values = finite_metrics(logs)
        self.epochs.append(values)
        if self._options.learning_rate or self._options.reduce_lr_on_plateau:
            values = values | {"learning_rate": learning_rate_of(self.model)}
        self._tell(self._epoch, values)

    def _tell(self, epoch: int, values: Metrics) -> None:
        self.reports.append(values)
        if self._extent.fold is None:
            self._send(EpochDone(report=EpochReport(epoch=epoch, values=values)))

    def _is_done_already(self, step: int) -> bool:
        done = self._resumed
        return done is not None and self._epoch == done.epochs + 1 and step <= done.steps

    def _diverge(self, logs: Mapping[str, Any], step: int) -> None:
        self._report_epoch(logs)
        fold, steps = self._extent.fold, self._extent.steps
        where = "" if fold is None else f"fold {fold}, "
        batch = min(step, steps)  # several steps that ran as one may count beyond the end
        raise DivergedError(
            f"the loss is not a number any more after {where}epoch {self._epoch}, batch "
            f"{batch} of {steps}: lower the learning rate, clip the gradients "
            "(fit.clipnorm), scale the records, or look for bad values among them"
        )

    def _check_monitors_early(self, logs: Mapping[str, Any]) -> None:
        """Check as soon as the first batch has shown the metrics' names.

        A model with steps of its own may validate by other metrics than it trains.
        """
        names = set(logs)
        if has_keras_steps(self.model):
            names |= {VALIDATION_PREFIX + name for name in logs}
            self._check(names, self._options.monitors)
        else:
            self._check(names, self._monitors(needs_validation=False))

    def _check_monitors(self, logs: Mapping[str, Any]) -> None:
        was_validated = any(name.startswith(VALIDATION_PREFIX) for name in logs)
        if was_validated:
            self._check(set(logs), self._options.monitors)

    def _monitors(self, *, needs_validation: bool) -> dict[str, Any]:
        return {
            option: monitor
            for option, monitor in self._options.monitors.items()
            if monitor.needs_validation is needs_validation
        }

    def _check(self, names: set[str], monitors: Mapping[str, Any]) -> None:
        for option, monitor in monitors.items():
            if monitor.monitor not in names:
                raise ModelCodeError(
                    f"fit.{option} monitors {monitor.monitor!r}, which the model does not "
                    f"report; it reports {', '.join(sorted(names))}"
                )


def finite_metrics(logs: Mapping[str, Any]) -> Metrics:
    """Return the metrics that are one number; one that is not finite is None."""
    arrays = {name: np.asarray(value) for name, value in logs.items()}
    numbers = {
        name: float(array.item())
        for name, array in arrays.items()
        if array.size == 1 and array.dtype.kind in "biuf"
    }
    return {k: number if math.isfinite(number) else None for k, number in numbers.items()}


def _number(value: Any) -> float:
    """Return a loss as a number; one that is none cannot diverge."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
