"""How well a model does on records that it was not fitted on. Child only."""

from typing import Any

import numpy as np

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.results import CrossValidation, FoldMetric
from trainer.checkpoints.checkpointer import Checkpointer
from trainer.data.dataset import Dataset
from trainer.data.split import Indices
from trainer.fit.batches import BatchSource, steps_of
from trainer.fit.evaluation import evaluate
from trainer.fit.fitter import Fitter
from trainer.fit.options import optimizer_of, set_learning_rate
from trainer.fit.progress import finite_metrics
from trainer.messages import Metrics

NOTHING: Indices = np.empty(0, np.int64)


class CrossValidator:
    """Fits a model once per fold, each time from its first weights, to which it returns."""

    def __init__(
        self,
        *,
        model: Any,
        source: BatchSource,
        parameters: TrainingParameters,
        fitter: Fitter,
        checkpointer: Checkpointer,
    ) -> None:
        self._model = model
        self._source = source
        self._parameters = parameters
        self._fitter = fitter
        self._checkpointer = checkpointer
        self._start = _Variables(model)

    def validate(self, dataset: Dataset) -> CrossValidation:
        """Measure every fold by a model that was fitted on the others.

        Folds that an attempt before has measured are not fitted again.
        """
        training, folds = np.asarray(dataset.parts.training), np.asarray(dataset.folds)
        count = int(folds.max()) + 1
        found = self._checkpointer.folds
        for number in range(len(found), count):
            found.append(
                self._measure(training, folds == number, fold=number + 1, of=count)
            )
        names = dict.fromkeys(name for metrics in found for name in metrics)
        return CrossValidation(
            folds=count,
            metrics={
                name: _fold_metric([each.get(name) for each in found]) for name in names
            },
        )

    def _measure(self, training: Indices, held_out: Any, *, fold: int, of: int) -> Metrics:
        parameters = self._parameters
        fitted_on, measured_on = training[~held_out], training[held_out]
        size = parameters.batch_size
        set_learning_rate(self._model, parameters, steps=steps_of(len(fitted_on), size))
        monitors = parameters.fit.monitors.values()
        is_watched = any(each.needs_validation for each in monitors)
        self._fitter.fit(
            fitted_on,
            measured_on if is_watched else NOTHING,
            fold=fold,
            fits_to_follow=of + 1 - fold,
        )
        metrics = evaluate(self._model, self._source, measured_on, size=size)
        self._start.restore()
        return finite_metrics(metrics)


class _Variables:
    """The values of all that a fit changes: weights, optimizer, generators of chance."""

    def __init__(self, model: Any) -> None:
        optimizer = optimizer_of(model)
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        self._variables = [*model.variables, *optimizer.variables]
        self._values = [np.array(each) for each in self._variables]

    def restore(self) -> None:
        for variable, value in zip(self._variables, self._values, strict=True):
            variable.assign(value)


def _fold_metric(values: list[float | None]) -> FoldMetric:
    known = [each for each in values if each is not None]
    if len(known) < len(values):
        return FoldMetric(mean=None, deviation=None, values=values)
    return FoldMetric(
        mean=float(np.mean(known)), deviation=float(np.std(known, ddof=1)), values=values
    )
