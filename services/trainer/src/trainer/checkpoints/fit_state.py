"""Everything that a fit changes, taken from a model and given back to one. Child only."""

import random
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

from trainer.checkpoints.checkpoint import Arrays
from trainer.exceptions import CheckpointError

# What the callbacks of Keras remember from epoch to epoch.
_REMEMBERED = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")

Callbacks = list[Any]
Variables = list[Any]


def build_optimizers(model: Any) -> None:
    """Let optimizers have all their variables, as after their first step."""
    optimizer = getattr(model, "optimizer", None)
    if isinstance(optimizer, keras.optimizers.Optimizer) and not optimizer.built:
        optimizer.build(model.trainable_variables)


def weights_of(model: Any) -> Variables:
    """Return the variables of a model, of its layers and of its optimizer."""
    optimizer = getattr(model, "optimizer", None)
    return [*model.variables, *getattr(optimizer, "variables", [])]


def optimizers_of(model: Any) -> list[Any]:
    """Return the optimizers that a model with steps of its own has besides."""
    known = [getattr(model, "optimizer", None)]
    for layer in model._flatten_layers():  # noqa: SLF001  # no public way to all of them
        for each in vars(layer).values():
            is_new = not any(each is one for one in known)
            if isinstance(each, keras.optimizers.Optimizer) and is_new:
                known.append(each)
    return known[1:]


def optimizer_variables_of(model: Any) -> Variables:
    """Return the variables of those; there are more after their first step."""
    return [each for one in optimizers_of(model) for each in one.variables]


def values_of(variables: Variables) -> Arrays:
    """Return copies, which a further step does not change."""
    return [np.array(each) for each in variables]


def check_fits(variables: Variables, values: Arrays) -> None:
    """Raise CheckpointError if values cannot be those of the variables."""
    ours = [
        (tuple(each.shape), keras.backend.standardize_dtype(each.dtype))
        for each in variables
    ]
    theirs = [(each.shape, each.dtype.name) for each in values]
    if ours != theirs:
        raise CheckpointError("it does not fit the model's variables")


def assign(variables: Variables, values: Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def seed_generator_state() -> Arrays:
    """Return the state that Keras draws from where a layer has none of its own, if any."""
    generator = get_global_attribute(GLOBAL_SEED_GENERATOR)
    return [] if generator is None else values_of([generator.state])


def restore_seed_generator(state: Arrays) -> None:
    """Set what `seed_generator_state` returned."""
    if state:
        assign([global_seed_generator().state], state)


def memory_of(callbacks: Callbacks) -> list[dict[str, float | None]]:
    """Return what callbacks remember, but for weights."""
    return [
        {
            name: None if value is None else float(value)
            for name in _REMEMBERED
            if hasattr(callback, name)
            for value in [getattr(callback, name)]
        }
        for callback in callbacks
    ]


def best_weights_of(callbacks: Callbacks) -> Arrays:
    """Return the best weights so far, of the callback that keeps them."""
    for callback in callbacks:
        weights = getattr(callback, "best_weights", None)
        if weights is not None:
            return list(weights)
    return []


def remind(
    callbacks: Callbacks, memory: list[dict[str, float | None]], best_weights: Arrays
) -> None:
    """Give callbacks back what they remembered."""
    for callback, remembered in zip(callbacks, memory, strict=True):
        for name, value in remembered.items():
            is_whole = name != "best" and value is not None
            setattr(callback, name, int(value) if is_whole and value is not None else value)
        if best_weights and getattr(callback, "restore_best_weights", False):
            callback.best_weights = [np.array(each) for each in best_weights]


def random_state() -> list[Any]:
    """Return the states of chance that a source can use beside Keras'."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  # the source's
    return [random.getstate(), [kind, np.asarray(keys).tolist(), *rest]]


def restore_random_state(state: list[Any]) -> None:
    """Set what `random_state` returned; raise CheckpointError if it cannot be that."""
    try:
        (version, keys, spare), (kind, numbers, *rest) = state
        random.setstate((version, tuple(keys), spare))
        np.random.set_state((kind, np.array(numbers, np.uint32), *rest))  # noqa: NPY002
    except (TypeError, ValueError) as e:
        raise CheckpointError("it has no state of chance") from e
