"""The state machines: one table and one function for each."""

from collections.abc import Mapping
from typing import Final, TypeVar

from api.exceptions import ConflictError
from kafkaml.schemas.states import InferenceState, ModelVersionState, TrainingState

V = ModelVersionState
T = TrainingState
I = InferenceState  # noqa: E741 - one letter for each machine reads best in its table

MODEL_VERSION_MOVES: Final[Mapping[V, frozenset[V]]] = {
    V.CHECKING: frozenset({V.CHECKING, V.VALID, V.INVALID}),
    V.VALID: frozenset(),
    V.INVALID: frozenset(),
}

# Back to queued: the next attempt. A retry by hand leads there from failed and stopped.
TRAINING_MOVES: Final[Mapping[T, frozenset[T]]] = {
    T.QUEUED: frozenset({T.QUEUED, T.STARTING, T.WAITING, T.TRAINING, T.FAILED, T.STOPPED}),
    T.STARTING: frozenset({T.QUEUED, T.WAITING, T.TRAINING, T.FAILED, T.STOPPED}),
    T.WAITING: frozenset({T.QUEUED, T.TRAINING, T.FAILED, T.STOPPED}),
    T.TRAINING: frozenset({T.QUEUED, T.FINISHED, T.FAILED, T.STOPPED}),
    T.FINISHED: frozenset(),
    T.FAILED: frozenset({T.QUEUED}),
    T.STOPPED: frozenset({T.QUEUED}),
}

INFERENCE_MOVES: Final[Mapping[I, frozenset[I]]] = {
    I.QUEUED: frozenset({I.STARTING, I.SERVING, I.FAILED, I.STOPPED}),
    I.STARTING: frozenset({I.SERVING, I.FAILED, I.STOPPED}),
    I.SERVING: frozenset({I.SERVING, I.FAILED, I.STOPPED}),
    I.FAILED: frozenset(),
    I.STOPPED: frozenset(),
}

StateT = TypeVar("StateT", V, T, I)


def move_model_version(current: V, to: V) -> V:
    """Return the state to write; raise ConflictError if the way there is closed."""
    return _move(MODEL_VERSION_MOVES, current, to)


def move_training(current: T, to: T) -> T:
    """Return the state to write; raise ConflictError if the way there is closed."""
    return _move(TRAINING_MOVES, current, to)


def move_inference(current: I, to: I) -> I:
    """Return the state to write; raise ConflictError if the way there is closed."""
    return _move(INFERENCE_MOVES, current, to)


def _move(moves: Mapping[StateT, frozenset[StateT]], current: StateT, to: StateT) -> StateT:
    if to not in moves[current]:
        raise ConflictError(f"What is {current} cannot become {to}.")
    return to
