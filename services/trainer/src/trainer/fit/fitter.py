"""One fit of a model. Runs inside the child only."""

from dataclasses import dataclass
from typing import Any

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.fit import ClassWeights, FitOptions
from kafkaml.schemas.results import FitSummary
from trainer.checkpoints.checkpointer import Checkpointer
from trainer.checkpoints.keeper import CheckpointKeeper
from trainer.data.split import Indices
from trainer.exceptions import DivergedError
from trainer.fit.batches import BatchSource, EpochOrder, steps_of
from trainer.fit.evaluation import evaluate
from trainer.fit.good_weights import GoodWeights
from trainer.fit.options import best_epoch_of, keras_callbacks, learning_rate_of
from trainer.fit.pace import Extent
from trainer.fit.progress import FitProgress, Send
from trainer.messages import Metrics


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit came to; the metrics are those of the epoch whose weights were kept."""

    training: Metrics
    validation: Metrics
    summary: FitSummary


class Fitter:
    """Fits one model, prepared for it, by the parameters of a deployment."""

    def __init__(
        self,
        *,
        model: Any,
        source: BatchSource,
        parameters: TrainingParameters,
        send: Send,
        checkpointer: Checkpointer,
    ) -> None:
        self._model = model
        self._source = source
        self._parameters = parameters
        self._send = send
        self._checkpointer = checkpointer

    def fit(
        self,
        training: Indices,
        validation: Indices,
        *,
        fold: int | None = None,
        fits_to_follow: int = 0,
    ) -> Fitted:
        """Fit; the same parameters and records give the same weights.

        Of a fit that diverges the last good model is in `MODEL_FILE`, as the error says.
        """
        parameters = self._parameters
        extent = Extent(
            epochs=parameters.epochs,
            steps=steps_of(len(training), parameters.batch_size),
            batch_size=parameters.batch_size,
            records=len(training),
            fold=fold,
            fits_to_follow=fits_to_follow,
        )
        progress = FitProgress(send=self._send, extent=extent, options=parameters.fit)
        callbacks = keras_callbacks(parameters)
        keepers = self._keepers(progress, callbacks, extent)
        size = parameters.batch_size
        few = training[:size]
        good = GoodWeights(
            measure=lambda: evaluate(self._model, self._source, few, size=size)["loss"]
        )
        try:
            self._run(training, validation, [progress, good, *callbacks, *keepers])
        except DivergedError as e:
            raise good.rescue(e) from e
        return _fitted(self._model, progress, extent, best_epoch_of(callbacks))

    def _keepers(
        self, progress: FitProgress, callbacks: list[Any], extent: Extent
    ) -> list[Any]:
        if not self._checkpointer.is_wanted:
            return []
        keeper = CheckpointKeeper(
            checkpointer=self._checkpointer,
            progress=progress,
            callbacks=callbacks,
            extent=extent,
        )
        return [keeper]

    def _run(self, training: Indices, validation: Indices, callbacks: list[Any]) -> None:
        parameters, options = self._parameters, self._parameters.fit
        size = parameters.batch_size
        order = EpochOrder(training, seed=parameters.seed) if options.shuffle else None
        validation_batches = None
        if len(validation):
            validation_batches = self._source.batches(
                validation, size=options.validation_batch_size or size
            )
        self._model.fit(
            self._source.batches(training, size=size, order=order),
            validation_data=validation_batches,
            validation_freq=options.validation_freq,
            epochs=parameters.epochs,
            class_weight=class_weight_of(options, self._model),
            callbacks=[order, *callbacks] if order else callbacks,
            shuffle=False,  # the batches are drawn by chance already
            verbose=0,
        )


def _fitted(
    model: Any, progress: FitProgress, extent: Extent, best_epoch: int | None
) -> Fitted:
    epochs = len(progress.epochs)
    kept = best_epoch or epochs
    summary = FitSummary(
        epochs=epochs,
        steps_per_epoch=extent.steps,
        stopped_early=epochs < extent.epochs,
        best_epoch=best_epoch,
        learning_rate=learning_rate_of(model),
    )
    return Fitted(progress.training(kept), progress.validation(kept), summary)


def class_weight_of(options: FitOptions, model: Any) -> dict[int, float] | None:
    """Return the weight of every class of the model; 1 for those that are not named."""
    weights: ClassWeights | str | None = options.class_weight
    if not isinstance(weights, dict) or not weights:
        return None
    named = {int(label): weight for label, weight in weights.items()}
    outputs = model.output_shape[-1] if hasattr(model, "output_shape") else None
    classes = max(2, *(label + 1 for label in named), outputs or 0)
    return {label: named.get(label, 1.0) for label in range(classes)}
