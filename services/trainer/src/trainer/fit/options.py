"""From the options of a deployment to what Keras takes. Runs inside the child only."""

from typing import Any

import keras

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.fit import (
    CosineDecay,
    ExponentialDecay,
    FitOptions,
    Monitor,
    PiecewiseConstantDecay,
    Schedule,
)
from trainer.exceptions import ModelCodeError
from trainer.fit.batches import steps_per_execution

KerasSchedule = keras.optimizers.schedules.LearningRateSchedule


def prepare_model(
    model: Any, parameters: TrainingParameters, *, steps: int, fewest_steps: int
) -> None:
    """Set what the deployment asks for on a compiled model; raise ModelCodeError.

    `steps` are those of an epoch, `fewest_steps` those of the shortest fit to come.
    """
    options = parameters.fit
    _choose_steps_per_execution(model, options, fewest_steps)
    _set_clipping(model, options)
    set_learning_rate(model, parameters, steps=steps)
    if options.reduce_lr_on_plateau and _has_schedule(optimizer_of(model)):
        raise ModelCodeError(
            "fit.reduce_lr_on_plateau cannot change the schedule in the model's source: "
            "compile the model with a learning rate that is a number"
        )


def set_learning_rate(model: Any, parameters: TrainingParameters, *, steps: int) -> None:
    """Give the optimizer the deployment's rate or schedule, for epochs of `steps`."""
    rate = parameters.fit.learning_rate
    if rate is None:
        return
    optimizer = optimizer_of(model)
    if isinstance(rate, Schedule):
        optimizer.learning_rate = keras_schedule(
            rate, steps=steps, epochs=parameters.epochs
        )
        model.train_function = None  # an earlier fit has built the earlier schedule into it
    elif _has_schedule(optimizer):
        raise ModelCodeError(
            "fit.learning_rate is a number, but the model's source has a schedule: "
            "give a schedule, or compile the model with a number"
        )
    else:
        optimizer.learning_rate = rate


def keras_schedule(schedule: Schedule, *, steps: int, epochs: int) -> Any:
    """Return the schedule of Keras, for epochs of `steps` batches."""

    def in_steps(count: float) -> int:
        return max(1, round(count * steps))

    schedules = keras.optimizers.schedules
    match schedule:
        case ExponentialDecay():
            return schedules.ExponentialDecay(
                schedule.initial_learning_rate,
                decay_steps=in_steps(schedule.decay_epochs),
                decay_rate=schedule.decay_rate,
                staircase=schedule.staircase,
            )
        case CosineDecay():
            decay_epochs = schedule.decay_epochs or epochs - schedule.warmup_epochs
            has_warmup = schedule.warmup_target is not None
            return schedules.CosineDecay(
                schedule.initial_learning_rate,
                decay_steps=in_steps(decay_epochs),
                alpha=schedule.alpha,
                warmup_target=schedule.warmup_target,
                warmup_steps=in_steps(schedule.warmup_epochs) if has_warmup else 0,
            )
        case PiecewiseConstantDecay():
            return schedules.PiecewiseConstantDecay(
                [in_steps(each) for each in schedule.boundaries], schedule.values
            )


def keras_callbacks(parameters: TrainingParameters) -> list[Any]:
    """Return the callbacks that the deployment asks for."""
    options = parameters.fit
    callbacks = []
    if options.early_stopping:
        stopping = options.early_stopping
        callbacks.append(keras.callbacks.EarlyStopping(**stopping.model_dump()))
    if options.restore_best:
        callbacks.append(_best_keeper(options.restore_best, parameters.epochs))
    if options.reduce_lr_on_plateau:
        plateau = options.reduce_lr_on_plateau
        callbacks.append(keras.callbacks.ReduceLROnPlateau(**plateau.model_dump()))
    return callbacks


def best_epoch_of(callbacks: list[Any]) -> int | None:
    """Return the epoch, from 1, whose weights the callbacks have restored, if they did."""
    for callback in callbacks:
        if getattr(callback, "best_weights", None) is not None:
            return int(callback.best_epoch) + 1
    return None


def learning_rate_of(model: Any) -> float | None:
    """Return the present learning rate, None for an optimizer that has none."""
    try:
        return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    except (AttributeError, TypeError, ValueError):
        return None


def _best_keeper(monitor: Monitor, epochs: int) -> Any:
    """Return what stops too late to stop anything, and restores the best weights."""
    return keras.callbacks.EarlyStopping(
        monitor=monitor.monitor,
        mode=monitor.mode,
        patience=epochs + 1,
        restore_best_weights=True,
    )


def _choose_steps_per_execution(model: Any, options: FitOptions, steps: int) -> None:
    """Set it as the deployment says; else keep what the source compiled in; else choose."""
    if options.steps_per_execution is not None:
        model.steps_per_execution = options.steps_per_execution
    elif model.steps_per_execution == 1:
        model.steps_per_execution = steps_per_execution(steps)


def _set_clipping(model: Any, options: FitOptions) -> None:
    names = ("clipnorm", "global_clipnorm", "clipvalue")
    wanted = {name: getattr(options, name) for name in names}
    if not any(wanted.values()):
        return
    optimizer = optimizer_of(model)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    for name, value in wanted.items():
        setattr(optimizer, name, value)


def _has_schedule(optimizer: Any) -> bool:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = getattr(optimizer, "_learning_rate", None)
    return isinstance(rate, KerasSchedule)


def optimizer_of(model: Any) -> Any:
    """Return the optimizer of a model; raise ModelCodeError if it is not one of Keras."""
    optimizer = getattr(model, "optimizer", None)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ModelCodeError(
            "the options of fit and folds need one of Keras' optimizers, but the model has "
            f"{type(optimizer).__name__}"
        )
    return optimizer
