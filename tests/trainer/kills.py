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
EPOCHS = 60
CHECKPOINT_SECONDS = 0.3
# About what one takes: any of its steps may be the last.
EPOCH_SECONDS = 0.1
PATIENCE_SECONDS = 120.0


# Whole epochs that are done, and steps of the next one.
Place = tuple[int, int]


@dataclass
class Killed:
    """What the attempts of one training came to."""

    folder: Path
    kills: int = 0
    resumed: int = 0
    kept: Place = (0, 0)
    redone_seconds: list[float] = field(default_factory=list)
    # What was kept when an attempt began, and what it did first.
    begun: list[tuple[Place, Place]] = field(default_factory=list)
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
    epochs: int = EPOCHS,
) -> Killed:
    """Train; kill the process so often, at moments that are spread by chance."""
    run = Killed(folder)
    kept = folder.with_name(f"{folder.name}.kept")
    while run.trained is None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / DATA_DIRECTORY).mkdir(parents=True)
        plain_dataset().save(folder / DATA_DIRECTORY)
        if kept.exists():
            shutil.copy(kept, folder / RESUME_FILE)
        what = Attempt(folder, source, standby, epochs)
        moment = None
        if run.kills < kills:
            part = epochs / (kills + 1)
            epoch = int(part * (run.kills + chance.random()))
            moment = Moment(epoch, chance.uniform(0, EPOCH_SECONDS))
        _attempt(run, what, kept, moment)
    return run


@dataclass(frozen=True)
class Moment:
    """When to kill: so long after an epoch, and not before a first step."""

    epoch: int
    seconds: float


@dataclass(frozen=True)
class Attempt:
    """Where an attempt runs what; `standby` has TensorFlow imported."""

    folder: Path
    source: str
    standby: Standby | None
    epochs: int

    def sandbox(self) -> Sandbox:
        environment = child_environment(
            os.environ, directory=self.folder, threads=1, gpus=0
        )
        return Sandbox(directory=self.folder, environment=environment, standby=self.standby)

    def build(self) -> Build:
        return Build(source=self.source, seed=5, memory_bytes=None, try_saving=False)

    def order(self, *, is_resumed: bool) -> Train:
        checkpointing = Checkpointing(
            identity="a", attempt=1, seconds=CHECKPOINT_SECONDS, is_resumed=is_resumed
        )
        parameters = {"batch_size": 4, "epochs": self.epochs, "fit": {"restore_best": {}}}
        return Train(
            parameters=TrainingParameters.model_validate(parameters),
            checkpointing=checkpointing,
        )


def _attempt(run: Killed, what: Attempt, kept: Path, kill: Moment | None) -> None:
    """Run one process to its end; keep its checkpoints as the API would."""
    run.epochs = []
    found, is_begun = run.kept, False
    with what.sandbox() as sandbox:
        sandbox.send(what.build())
        assert isinstance(_next(sandbox), Ready)
        assert isinstance(_next(sandbox), Built)
        run.resumed += kept.exists()
        sandbox.send(what.order(is_resumed=kept.exists()))
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
                run.kept = (report.epochs, report.steps)
            elif isinstance(report, EpochDone):
                run.epochs.append(report)
                kill_at = kill_at or _reached(kill, run, secure)
            elif isinstance(report, Trained):
                run.trained = report
            elif isinstance(report, FitProgressed):
                if not is_begun:
                    first = (report.report.epoch - 1, report.report.step)
                    run.begun.append((found, first))
                    is_begun = True
                secure = secure or time.monotonic()
                kill_at = kill_at or _reached(kill, run, secure)
            else:
                assert report is None, report


def _reached(kill: Moment | None, run: Killed, secure: float | None) -> float | None:
    """Return when to kill, if this is the epoch for it and a step of it is done."""
    if kill is None or secure is None or len(run.epochs) < kill.epoch:
        return None
    return time.monotonic() + kill.seconds


def _next(sandbox: Sandbox) -> Any:
    return sandbox.receive(Deadline.after(PATIENCE_SECONDS))
