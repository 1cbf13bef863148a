"""Trainings in this process that keep checkpoints, and others that go on from them."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kafkaml.schemas.deployments import TrainingParameters
from tests.trainer.fitting import plain_dataset
from trainer.messages import (
    CHECKPOINT_FILE,
    DATA_DIRECTORY,
    RESUME_FILE,
    Checkpointing,
    CheckpointWritten,
    EpochDone,
    Message,
    Trained,
)

IDENTITY = "this fit"


@dataclass
class Run:
    """A trained model, what it reported, and the checkpoints on the way."""

    model: Any = None
    trained: Trained | None = None
    reports: list[Message] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)

    @property
    def epochs(self) -> list[EpochDone]:
        return [each for each in self.reports if isinstance(each, EpochDone)]

    @property
    def outcome(self) -> Any:
        """All that was measured, but for times, and names that Keras counts up."""
        assert self.trained is not None
        name = {"name"}
        varying: Any = {"input": name, "output": name}
        return self.trained.model_dump(
            exclude={"fit_seconds": True, "evaluate_seconds": True, **varying}
        )


def train(
    folder: Path,
    source: str,
    *,
    resumed: Path | None = None,
    identity: str = IDENTITY,
    seconds: float | None = 0,
    is_full: bool = False,
    max_bytes: int | None = None,
    **parameters: Any,
) -> Run:
    """Train in a folder; each checkpoint is taken away as the trainer does."""
    from trainer.fit.training import train_model
    from trainer.models.source import build_model

    wanted = TrainingParameters.model_validate(
        {"epochs": 3, "batch_size": 16, **parameters}
    )
    folder.mkdir()
    (folder / DATA_DIRECTORY).mkdir()
    plain_dataset(folds=wanted.folds).save(folder / DATA_DIRECTORY)
    if is_full:
        (folder / f"{CHECKPOINT_FILE}.part").mkdir()  # it cannot be a file, too
    if resumed:
        shutil.copy(resumed, folder / RESUME_FILE)
    run = Run()

    def send(message: Message) -> None:
        run.reports.append(message)
        if isinstance(message, CheckpointWritten):
            kept = folder / f"{len(run.checkpoints)}.kept"
            (folder / CHECKPOINT_FILE).rename(kept)
            run.checkpoints.append(kept)

    checkpointing = None
    if seconds is not None:
        checkpointing = Checkpointing(
            identity=identity,
            attempt=1,
            seconds=seconds,
            is_resumed=resumed is not None,
            max_bytes=max_bytes,
        )
    before = Path.cwd()
    os.chdir(folder)
    try:
        run.model = build_model(source, seed=3)
        run.trained = train_model(run.model, wanted, send=send, checkpointing=checkpointing)
    finally:
        os.chdir(before)
    return run


def assert_same(one: Run, other: Run) -> None:
    """Assert that two runs gave the same, bit by bit."""
    from trainer.checkpoints.fit_state import optimizer_variables_of, values_of, weights_of

    ours, theirs = (
        values_of([*weights_of(each.model), *optimizer_variables_of(each.model)])
        for each in (one, other)
    )
    assert len(ours) == len(theirs)
    assert all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))
    assert one.epochs == other.epochs
    assert one.outcome == other.outcome
