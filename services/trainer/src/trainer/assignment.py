"""What one attempt of a training has to do, and what it does it with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafkaml.schemas.attempts import TrainingOrder
from kafkaml.schemas.trainings import Timings
from trainer.checkpoints.transfer import fetch_checkpoint
from trainer.config import TrainerSettings
from trainer.messages import DATA_DIRECTORY, Checkpointing, Trained
from trainer.results.reporter import Reporter
from trainer.sandbox.model_process import ModelProcess
from trainer.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The order of an attempt, its tools, and its folder, which the child sees, too."""

    order: TrainingOrder
    source: str
    attempt: int
    process: ModelProcess
    reporter: Reporter
    kafka: dict[str, Any]
    settings: TrainerSettings
    directory: Path
    stopwatch: Stopwatch

    @property
    def data_directory(self) -> Path:
        return self.directory / DATA_DIRECTORY

    def checkpointing(self, identity: str) -> Checkpointing | None:
        """Fetch the checkpoint of an attempt before, and say how further ones are made.

        `identity` is that of the fit. None if the deployment wants no checkpoints.
        """
        seconds = self.order.parameters.checkpoint_seconds
        if seconds is None:
            return None
        return Checkpointing(
            identity=identity,
            attempt=self.attempt,
            seconds=seconds,
            max_bytes=self.settings.max_checkpoint_bytes,
            is_resumed=self.order.checkpoint is not None
            and fetch_checkpoint(self.directory, self.reporter),
        )

    def timings(self, trained: Trained) -> Timings:
        """Return where the time of the attempt went, now that the model is trained."""
        watch = self.stopwatch
        return Timings(
            build=watch.between("start", "built"),
            read=watch.between("announced", "read"),
            first_step=watch.between("announced", "first step"),
            fit=trained.fit_seconds,
            evaluate=trained.evaluate_seconds,
            total=watch.between("start", "trained"),
        )
