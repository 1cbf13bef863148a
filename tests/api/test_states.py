"""The state machines, as tables and as what calls can make of a training."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.exceptions import ConflictError
from api.services.states import (
    INFERENCE_MOVES,
    MODEL_VERSION_MOVES,
    TRAINING_MOVES,
    move_inference,
    move_model_version,
    move_training,
)
from kafkaml.schemas.states import InferenceState, ModelVersionState, TrainingState

MACHINES: list[Mapping[Any, Any]] = [
    MODEL_VERSION_MOVES,
    TRAINING_MOVES,
    INFERENCE_MOVES,
]


@pytest.mark.parametrize("moves", MACHINES)
def test_every_state_has_its_moves(moves: Mapping[Any, Any]) -> None:
    kind: type[StrEnum] = type(next(iter(moves)))
    assert set(moves) == set(kind.__members__.values())


@given(st.sampled_from(TrainingState), st.sampled_from(TrainingState))
def test_a_training_moves_by_its_table(one: TrainingState, two: TrainingState) -> None:
    if two in TRAINING_MOVES[one]:
        assert move_training(one, two) is two
    else:
        with pytest.raises(ConflictError):
            move_training(one, two)


@given(st.lists(st.sampled_from(TrainingState)))
def test_a_finished_training_never_moves(ways: list[TrainingState]) -> None:
    state = TrainingState.QUEUED
    finished = False
    for to in ways:
        try:
            state = move_training(state, to)
        except ConflictError:
            continue
        assert not finished
        finished = state is TrainingState.FINISHED


@given(st.sampled_from(InferenceState), st.sampled_from(InferenceState))
def test_an_inference_that_is_over_never_moves(
    one: InferenceState, two: InferenceState
) -> None:
    if one.is_final:
        with pytest.raises(ConflictError):
            move_inference(one, two)


@given(st.sampled_from(ModelVersionState))
def test_a_checked_version_never_moves(to: ModelVersionState) -> None:
    for state in (ModelVersionState.VALID, ModelVersionState.INVALID):
        with pytest.raises(ConflictError):
            move_model_version(state, to)


@pytest.mark.parametrize("state", [state for state in TrainingState if not state.is_final])
def test_an_active_training_can_always_fail_stop_and_begin_again(
    state: TrainingState,
) -> None:
    assert {
        TrainingState.QUEUED,
        TrainingState.FAILED,
        TrainingState.STOPPED,
    } <= TRAINING_MOVES[state]
