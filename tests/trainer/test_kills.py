"""Real processes, really killed, forked from a warm one.

`tests/soak/trainer_kills.py` does it a hundred times with cold ones, and takes the time.
"""

import random
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.kills import Killed, train_killed
from trainer.sandbox.standby import Standby

EPOCHS = 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, standby: Standby) -> Killed:
    folder = tmp_path_factory.mktemp("kills") / "whole"
    return train_killed(
        folder, kills=0, chance=random.Random(0), standby=standby, epochs=EPOCHS
    )


@pytest.mark.parametrize("kills", [3])
def test_a_training_that_is_killed_comes_to_the_same(
    tmp_path: Path, whole: Killed, standby: Standby, kills: int
) -> None:
    run = train_killed(
        tmp_path / "killed",
        kills=kills,
        chance=random.Random(),
        standby=standby,
        epochs=EPOCHS,
    )
    assert run.kills == kills
    for ours, theirs in zip(run.weights, whole.weights, strict=True):
        assert np.array_equal(ours, theirs)
    assert run.epochs == whole.epochs
    assert run.outcome == whole.outcome
    assert len(run.begun) == kills + 1
    assert all(begun > kept for kept, begun in run.begun), "what is kept is not redone"
