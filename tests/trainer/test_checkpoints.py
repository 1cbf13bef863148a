"""Checkpoints of a training: who goes on from one gets what nobody would have lost."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.checkpointed import Run, assert_same, train
from tests.trainer.orders import CLASSIFIER
from trainer.checkpoints.checkpoint import Checkpoint
from trainer.exceptions import CheckpointError
from trainer.messages import CheckpointWritten

WITH_CHANCE = CLASSIFIER.replace(
    '    keras.layers.Dense(3, activation="softmax"),',
    "    keras.layers.BatchNormalization(),\n    keras.layers.Dropout(0.5),\n"
    '    keras.layers.Dense(3, activation="softmax"),',
)
OWN_STEPS = """\
import random
import keras
import tensorflow as tf

class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.body = keras.layers.Dense(3, activation="softmax")
        self.noise = keras.optimizers.Adam(0.01)
        self.watched = keras.metrics.Mean(name="watched")

    def build(self, shape):
        self.body.build(shape)
        self.built = True

    def call(self, x):
        return self.body(x)

    def train_step(self, data):
        x, y = data
        x = x + keras.random.normal(tf.shape(x)) * 0.1
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        self.noise.apply_gradients(zip(gradients, self.trainable_variables))
        self.watched.update_state(loss)
        return {"loss": loss, "watched": self.watched.result()}

    @property
    def metrics(self):
        return [*super().metrics, self.watched]

model = Own()
model.build((None, 2))
model.compile("adam", "sparse_categorical_crossentropy")
"""
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "chance": (WITH_CHANCE, {}),
    "one step at a time": (WITH_CHANCE, {"fit": {"steps_per_execution": 1}}),
    "folds": (WITH_CHANCE, {"folds": 3, "epochs": 2}),
    "own steps": (OWN_STEPS, {"fit": {"steps_per_execution": 1}}),
    "options": (
        CLASSIFIER,
        {
            "epochs": 6,
            "fit": {
                "restore_best": {"monitor": "val_loss"},
                "reduce_lr_on_plateau": {"monitor": "loss", "patience": 1, "min_delta": 1},
                "class_weight": {"1": 2.0},
                "clipnorm": 1.0,
            },
        },
    ),
    "schedule": (
        CLASSIFIER,
        {
            "epochs": 6,
            "fit": {
                "early_stopping": {"patience": 1, "min_delta": 0.2},
                "learning_rate": {
                    "schedule": "CosineDecay",
                    "initial_learning_rate": 0.05,
                },
                "shuffle": False,
            },
        },
    ),
    "16 bits": (
        CLASSIFIER.replace('activation="softmax"', 'activation="softmax", dtype="float32"'),
        {"fit": {"mixed_precision": "mixed_bfloat16"}},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_resumed_is_uninterrupted_bit_by_bit(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    source, parameters = CASES[name]
    whole = train(tmp_path / "whole", source, **parameters)
    picked = random.choice(whole.checkpoints)
    resumed = train(tmp_path / "resumed", source, resumed=picked, **parameters)
    assert_same(resumed, whole)
    assert "resumed after epoch" in capfd.readouterr().err


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("runs") / "whole", WITH_CHANCE)


def test_a_checkpoint_changes_nothing(whole: Run, tmp_path: Path) -> None:
    assert_same(train(tmp_path / "plain", WITH_CHANCE, seconds=None), whole)


def test_checkpoints_are_made_within_epochs_and_after_them(whole: Run) -> None:
    made = [each for each in whole.reports if isinstance(each, CheckpointWritten)]
    assert len(made) >= 3
    assert any(each.steps for each in made)
    assert all(each.steps % 4 == 0 for each in made)  # four steps run as one
    assert not any(each.epochs == 3 for each in made)


def test_what_was_done_is_not_done_again(whole: Run, tmp_path: Path) -> None:
    last = whole.checkpoints[-1]
    resumed = train(tmp_path / "resumed", WITH_CHANCE, resumed=last)
    made = [each for each in whole.reports if isinstance(each, CheckpointWritten)]
    after = [each for each in resumed.reports if isinstance(each, CheckpointWritten)]
    assert all(
        (each.epochs, each.steps) > (made[-1].epochs, made[-1].steps) for each in after
    )


def broken(content: bytes, how: str) -> bytes:
    match how:
        case "empty":
            return b""
        case "cut":
            return content[: len(content) // 2]
        case "no checkpoint":
            return b"PK\x03\x04" + os.urandom(2000)
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("how", ["empty", "cut", "no checkpoint", "one bit"])
def test_damage_is_seen(whole: Run, tmp_path: Path, how: str) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(broken(whole.checkpoints[0].read_bytes(), how))
    with pytest.raises(CheckpointError, match="the file is damaged"):
        Checkpoint.read(damaged, identity="this fit")


def test_a_damaged_checkpoint_is_left_aside(
    whole: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(broken(whole.checkpoints[0].read_bytes(), "one bit"))
    anew = train(tmp_path / "anew", WITH_CHANCE, resumed=damaged)
    assert_same(anew, whole)
    assert "begins anew: the file is damaged" in capfd.readouterr().err
    assert sorted(each.name for each in (tmp_path / "anew").glob("*.checkpoint")) == []


def test_a_checkpoint_of_another_fit_is_left_aside(
    whole: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    foreign = whole.checkpoints[-1]
    anew = train(tmp_path / "anew", WITH_CHANCE, resumed=foreign, identity="another")
    assert_same(anew, whole)
    assert "another source, other parameters" in capfd.readouterr().err


def test_a_checkpoint_that_does_not_fit_the_model_is_left_aside(
    whole: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = train(tmp_path / "plain", CLASSIFIER, seconds=None)
    anew = train(tmp_path / "anew", CLASSIFIER, resumed=whole.checkpoints[-1])
    assert_same(anew, plain)
    assert "does not fit the model's variables" in capfd.readouterr().err


def test_a_disk_that_takes_nothing_ends_no_fit(
    whole: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = train(tmp_path / "full", WITH_CHANCE, is_full=True)
    assert_same(run, whole)
    assert not run.checkpoints
    assert "could not be written" in capfd.readouterr().err


def test_a_checkpoint_without_room_is_not_made(
    whole: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = train(tmp_path / "small", WITH_CHANCE, max_bytes=100)
    assert_same(run, whole)
    assert not run.checkpoints
    assert "bytes, but may have 100" in capfd.readouterr().err


ODD_VARIABLE = """\
import keras
import numpy as np

class Odd:
    def numpy(self):
        return np.zeros(1)

model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")
model.optimizer_of_its_own = keras.optimizers.SGD()
vars(model.optimizer_of_its_own)["_variables"] = [Odd()]
"""


def test_a_model_that_cannot_be_written_is_trained_without_checkpoints(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = train(tmp_path / "odd", ODD_VARIABLE)
    assert len(run.epochs) == 3
    assert not run.checkpoints
    assert capfd.readouterr().err.count("there will be no checkpoints") == 1


def test_a_file_appears_whole_or_not_at_all(whole: Run, tmp_path: Path) -> None:
    checkpoint = Checkpoint.read(whole.checkpoints[0], identity="this fit")
    copy = tmp_path / "copy"
    checkpoint.write(copy)
    assert copy.read_bytes() == whole.checkpoints[0].read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["copy"]
    with pytest.raises(CheckpointError, match="another source"):
        Checkpoint.read(copy, identity="other")
