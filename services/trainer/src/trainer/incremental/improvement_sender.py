"""Better models on their way from the model's process to the API."""

from pathlib import Path
from typing import BinaryIO

import structlog

from kafkaml.schemas.incremental import ImprovementReport
from trainer.messages import IMPROVED_FILE
from trainer.results.file_sender import FileSender
from trainer.results.reporter import Reporter

# An artifact that arrived after that of the result would take its place.
END_SECONDS = 60.0

logger = structlog.get_logger()


class ImprovementSender(FileSender[ImprovementReport]):
    """Publishes better models beside the training; in the end the result has the model."""

    def __init__(self, reporter: Reporter, *, directory: Path) -> None:
        super().__init__(directory / IMPROVED_FILE, end_seconds=END_SECONDS)
        self._reporter = reporter

    def upload(self, file: BinaryIO, written: ImprovementReport) -> None:
        """Publish the model; the digest in the report is filled in."""
        self._reporter.improvement(file, written)
        logger.info("model published", epoch=written.epoch, values=written.values)
