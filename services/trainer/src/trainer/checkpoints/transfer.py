"""Checkpoints on their way from the model's process to the API, and back."""

from pathlib import Path
from typing import BinaryIO

import structlog

from trainer.exceptions import AttemptOverError, TrainerError
from trainer.messages import CHECKPOINT_FILE, RESUME_FILE, CheckpointWritten
from trainer.results.file_sender import FileSender
from trainer.results.reporter import Reporter

END_SECONDS = 5.0

logger = structlog.get_logger()


def fetch_checkpoint(directory: Path, reporter: Reporter) -> bool:
    """Lay the checkpoint of an attempt before where the model's process finds it.

    Return False if that fails: the fit begins anew then. Raise AttemptOverError.
    """
    try:
        reporter.fetch_checkpoint(directory / RESUME_FILE)
    except AttemptOverError:
        raise
    except (TrainerError, OSError) as e:
        logger.warning("the checkpoint cannot be had, the fit begins anew", reason=str(e))
        return False
    return True


class CheckpointSender(FileSender[CheckpointWritten]):
    """Uploads checkpoints beside a fit; in the end nothing waits for one."""

    def __init__(self, reporter: Reporter, *, directory: Path) -> None:
        super().__init__(directory / CHECKPOINT_FILE, end_seconds=END_SECONDS)
        self._reporter = reporter

    def upload(self, file: BinaryIO, written: CheckpointWritten) -> None:
        sent = self._reporter.checkpoint(file)
        logger.info(
            "checkpoint kept",
            epochs=written.epochs,
            batches=written.steps,
            size_bytes=sent.size_bytes,
        )
