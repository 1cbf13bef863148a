"""Real processes, really killed. `tests/soak/trainer_kills.py` does it a hundred times."""

import random
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.kills import CHECKPOINT_SECONDS, Killed, train_killed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    folder = tmp_path_factory.mktemp("kills") / "whole"
    return train_killed(folder, kills=0, chance=random.Random(0))


@pytest.mark.parametrize("kills", [3])
def test_a_training_that_is_killed_comes_to_the_same(
    tmp_path: Path, whole: Killed, kills: int
) -> None:
    run = train_killed(tmp_path / "killed", kills=kills, chance=random.Random())
    assert run.kills == kills
    for ours, theirs in zip(run.weights, whole.weights, strict=True):
        assert np.array_equal(ours, theirs)
    assert run.epochs == whole.epochs
    assert run.outcome == whole.outcome
    # A busy machine may need a while to write and to tell.
    assert max(run.redone_seconds) <= CHECKPOINT_SECONDS + 2
