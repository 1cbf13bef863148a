"""A training whose process is killed again and again, and goes on each time."""

import os
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafkaml.schemas.deployments import TrainingParameters
from tests.trainer.fitting import plain_dataset
from trainer.deadline import Deadline
from trainer.messages import (
    CHECKPOINT_FILE,
    DATA_DIRECTORY,
    MODEL_FILE,
    RESUME_FILE,
    Build,
    Built,
    Checkpointing,
    CheckpointWritten,
    EpochDone,
    FitProgressed,
    Ready,
    Train,
    Trained,
)
from trainer.sandbox.sandbox import Sandbox, child_environment
from trainer.sandbox.standby import Standby

SOURCE = """\
import keras

model = keras.Sequential([
    keras.Input((2,)),
    keras.layers.Dense(64, activation="relu"),
    keras.layers.BatchNormalization(),
    keras.layers.Dropout(0.3),
    keras.layers.Dense(3, activation="softmax"),
])
model.compile(
    keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
)
"""
PARAMETERS = TrainingParameters.model_validate(
    {"batch_size": 4, "epochs": 60, "fit": {"restore_best": {"monitor": "val_loss"}}}
)
CHECKPOINT_SECONDS = 0.3
PATIENCE_SECONDS = 120.0


@dataclass
class Killed:
    """What the attempts of one training came to."""

    folder: Path
    kills: int = 0
    resumed: int = 0
    redone_seconds: list[float] = field(default_factory=list)
    epochs: list[EpochDone] = field(default_factory=list)
    trained: Trained | None = None

    @property
    def outcome(self) -> Any:
        """All that was measured, but for times."""
        assert self.trained is not None
        return self.trained.model_dump(exclude={"fit_seconds", "evaluate_seconds"})

    @property
    def weights(self) -> list[Any]:
        import keras

        return list(keras.saving.load_model(self.folder / MODEL_FILE).get_weights())


def train_killed(
    folder: Path,
    *,
    kills: int,
    chance: random.Random,
    source: str = SOURCE,
    standby: Standby | None = None,
) -> Killed:
    """Train; kill the process so often, each time a random while after its first step."""
    run = Killed(folder)
    kept = folder.with_name(f"{folder.name}.kept")
    while run.trained is None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / DATA_DIRECTORY).mkdir(parents=True)
        plain_dataset().save(folder / DATA_DIRECTORY)
        if kept.exists():
            shutil.copy(kept, folder / RESUME_FILE)
        is_killed = run.kills < kills
        after = chance.uniform(0, 4 * CHECKPOINT_SECONDS) if is_killed else None
        place = Place(folder, source, standby)
        _attempt(run, place, kept, kill_after=after)
    return run


@dataclass(frozen=True)
class Place:
    """Where an attempt runs what; `standby` has TensorFlow imported."""

    folder: Path
    source: str
    standby: Standby | None

    def sandbox(self) -> Sandbox:
        environment = child_environment(
            os.environ, directory=self.folder, threads=1, gpus=0
        )
        return Sandbox(directory=self.folder, environment=environment, standby=self.standby)

    def build(self) -> Build:
        return Build(source=self.source, seed=5, memory_bytes=None, try_saving=False)


def _attempt(run: Killed, place: Place, kept: Path, *, kill_after: float | None) -> None:
    """Run one process to its end; keep its checkpoints as the API would."""
    run.epochs = []
    with place.sandbox() as sandbox:
        sandbox.send(place.build())
        assert isinstance(_next(sandbox), Ready)
        assert isinstance(_next(sandbox), Built)
        run.resumed += kept.exists()
        sandbox.send(_order(is_resumed=kept.exists()))
        secure = kill_at = None
        while run.trained is None:
            now = time.monotonic()
            if kill_at is not None and now >= kill_at:
                run.kills += 1
                run.redone_seconds.append(now - (secure or now))
                return  # leaving the sandbox is SIGKILL
            until = Deadline(kill_at) if kill_at else Deadline.after(PATIENCE_SECONDS)
            report = sandbox.receive(until)
            if isinstance(report, CheckpointWritten):
                (run.folder / CHECKPOINT_FILE).replace(kept)
                secure = time.monotonic()
            elif isinstance(report, EpochDone):
                run.epochs.append(report)
            elif isinstance(report, Trained):
                run.trained = report
            elif isinstance(report, FitProgressed):
                secure = secure or time.monotonic()
                if kill_at is None and kill_after is not None:
                    kill_at = secure + kill_after
            else:
                assert report is None, report


def _order(*, is_resumed: bool) -> Train:
    checkpointing = Checkpointing(
        identity="a", attempt=1, seconds=CHECKPOINT_SECONDS, is_resumed=is_resumed
    )
    return Train(parameters=PARAMETERS, checkpointing=checkpointing)


def _next(sandbox: Sandbox) -> Any:
    return sandbox.receive(Deadline.after(PATIENCE_SECONDS))
