"""One attempt of one training, from the order to the accepted result."""

from pathlib import Path
from typing import Any

import structlog

from kafkaml.control import ControlMessage
from kafkaml.schemas.attempts import EpochReport, TrainingOrder
from kafkaml.schemas.fit import ClassWeights
from kafkaml.schemas.trainings import Timings, TrainingProgress
from trainer.checkpoints.fit_identity import fit_identity
from trainer.checkpoints.transfer import CheckpointSender, fetch_checkpoint
from trainer.config import TrainerSettings
from trainer.data.announcement import AnnouncementReader
from trainer.data.dataset import Dataset
from trainer.deadline import Deadline
from trainer.exceptions import DivergedError
from trainer.incremental.attempt import IncrementalAttempt, is_incremental
from trainer.messages import DATA_DIRECTORY, Built, Checkpointing, Train, Trained
from trainer.model_process import ModelProcess
from trainer.preparation import Announcement, Preparation, Prepared
from trainer.results.background_reporter import BackgroundReporter
from trainer.results.outcome import Outcome, outcome_of
from trainer.results.reporter import Reporter
from trainer.stopwatch import Stopwatch

POLL_SECONDS = 0.5

logger = structlog.get_logger()


class TrainingAttempt:
    """Waits for the stream, reads it and has the model trained on it."""

    def __init__(
        self,
        *,
        order: TrainingOrder,
        source: str,
        attempt: int,
        process: ModelProcess,
        reporter: Reporter,
        kafka: dict[str, Any],
        settings: TrainerSettings,
        directory: Path,
        stopwatch: Stopwatch,
    ) -> None:
        self._order = order
        self._source = source
        self._attempt = attempt
        self._parameters = order.parameters
        self._process = process
        self._reporter = reporter
        self._kafka = kafka
        self._settings = settings
        self._directory = directory
        self._data_directory = directory / DATA_DIRECTORY
        self._stopwatch = stopwatch

    def train(self) -> Outcome:
        """Return the outcome; raise FailedError, AttemptOverError or PlatformError."""
        built = self._process.build()
        self._stopwatch.mark("built")
        self._reporter.progress("waiting")
        announced = self._await_announcement()
        self._stopwatch.mark("announced")
        if is_incremental(self._parameters, announced.message):
            return self._incremental(announced, built).train()
        deadline = Deadline.after(self._parameters.deadline_seconds)
        self._reporter.progress("training")
        prepared = self._prepare(announced, built, deadline)
        self._stopwatch.mark("read")
        checkpointing = self._checkpointing(announced.message, prepared.dataset)
        trained = self._fit(checkpointing, prepared, deadline)
        self._stopwatch.mark("trained")
        return outcome_of(
            trained,
            prepared=prepared,
            announced=announced.message,
            timings=self._timings(trained),
            deadline=deadline,
            class_weight=self._balanced_weights(),
        )

    def _incremental(self, announced: Announcement, built: Built) -> IncrementalAttempt:
        return IncrementalAttempt(
            order=self._order,
            source=self._source,
            attempt=self._attempt,
            process=self._process,
            reporter=self._reporter,
            kafka=self._kafka,
            settings=self._settings,
            directory=self._directory,
            stopwatch=self._stopwatch,
            announcement=announced,
            built=built,
        )

    def _await_announcement(self) -> Announcement:
        order = self._order
        logger.info("waiting for the stream", control_topic=order.control_topic)
        with AnnouncementReader(
            kafka=self._kafka,
            topic=order.control_topic,
            since=order.announced_since,
            deployment_id=order.deployment_id,
        ) as reader:
            while True:
                self._process.raise_if_lost()
                message = reader.poll(POLL_SECONDS)
                if message is not None and reader.announced_at is not None:
                    return Announcement(message, reader.announced_at)

    def _prepare(
        self, announced: Announcement, built: Built, deadline: Deadline
    ) -> Prepared:
        """Read, check, split and save the records for the model's process."""
        preparation = Preparation(
            parameters=self._parameters,
            kafka=self._kafka,
            settings=self._settings,
            directory=self._data_directory,
            deadline=deadline,
        )
        prepared = preparation.prepare(announced, built)
        self._parameters = prepared.parameters
        return prepared

    def _checkpointing(
        self, announced: ControlMessage, dataset: Dataset
    ) -> Checkpointing | None:
        seconds = self._parameters.checkpoint_seconds
        if seconds is None:
            return None
        return Checkpointing(
            identity=fit_identity(
                source=self._source,
                parameters=self._parameters,
                announced=announced,
                dataset=dataset,
            ),
            attempt=self._attempt,
            seconds=seconds,
            max_bytes=self._settings.max_checkpoint_bytes,
            is_resumed=self._order.checkpoint is not None
            and fetch_checkpoint(self._directory, self._reporter),
        )

    def _fit(
        self, checkpointing: Checkpointing | None, prepared: Prepared, deadline: Deadline
    ) -> Trained:
        """Fit; what is odd about the records may be why a loss is no number any more."""
        try:
            return self._train(checkpointing, deadline)
        except DivergedError as e:
            message = " ".join([e.message, *prepared.warnings])
            raise DivergedError(message, kept=e.kept) from e

    def _train(self, checkpointing: Checkpointing | None, deadline: Deadline) -> Trained:
        data_memory = self._settings.data_memory_bytes(self._parameters.resources)
        with (
            BackgroundReporter(self._reporter) as background,
            CheckpointSender(self._reporter, directory=self._directory) as sender,
        ):

            def report_progress(progress: TrainingProgress) -> None:
                self._stopwatch.mark("first step")
                background.progress(progress)

            def report_epoch(report: EpochReport) -> None:
                logger.info("epoch done", epoch=report.epoch, metrics=report.values)
                background.epoch(report)

            return self._process.train(
                Train(
                    parameters=self._parameters,
                    data_memory_bytes=data_memory,
                    checkpointing=checkpointing,
                ),
                deadline=deadline,
                on_progress=report_progress,
                on_epoch=report_epoch,
                on_checkpoint=sender.send,
            )

    def _balanced_weights(self) -> ClassWeights | None:
        """Return the weights that `balanced` came to, if the deployment says so."""
        wanted = self._order.parameters.fit.class_weight
        weights = self._parameters.fit.class_weight
        return weights if wanted == "balanced" and isinstance(weights, dict) else None

    def _timings(self, trained: Trained) -> Timings:
        watch = self._stopwatch
        return Timings(
            build=watch.between("start", "built"),
            read=watch.between("announced", "read"),
            first_step=watch.between("announced", "first step"),
            fit=trained.fit_seconds,
            evaluate=trained.evaluate_seconds,
            total=watch.between("start", "trained"),
        )
