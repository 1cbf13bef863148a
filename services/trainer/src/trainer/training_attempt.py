"""One attempt of one training, from the order to the accepted result."""

import structlog

from kafkaml.schemas.attempts import EpochReport
from kafkaml.schemas.fit import ClassWeights
from kafkaml.schemas.trainings import TrainingProgress
from trainer.assignment import Assignment
from trainer.checkpoints.fit_identity import fit_identity
from trainer.checkpoints.transfer import CheckpointSender
from trainer.data.announcement import AnnouncementReader
from trainer.data.preparation import Announcement, Preparation, Prepared
from trainer.deadline import Deadline
from trainer.exceptions import DivergedError
from trainer.incremental.attempt import IncrementalAttempt
from trainer.incremental.eligibility import is_incremental
from trainer.messages import Built, Checkpointing, Train, Trained
from trainer.results.background_reporter import BackgroundReporter
from trainer.results.outcome import Outcome, outcome_of

POLL_SECONDS = 0.5

logger = structlog.get_logger()


class TrainingAttempt:
    """Waits for the stream, reads it and has the model trained on it."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._process = assignment.process
        self._parameters = assignment.order.parameters
        self._stopwatch = assignment.stopwatch

    def train(self) -> Outcome:
        """Return the outcome; raise FailedError, AttemptOverError or PlatformError."""
        built = self._process.build()
        self._stopwatch.mark("built")
        self._assignment.reporter.progress("waiting")
        announced = self._await_announcement()
        self._stopwatch.mark("announced")
        if is_incremental(self._parameters, announced.message):
            return IncrementalAttempt(
                self._assignment, announcement=announced, built=built
            ).train()
        deadline = Deadline.after(self._parameters.deadline_seconds)
        self._assignment.reporter.progress("training")
        prepared = self._prepare(announced, built, deadline)
        self._stopwatch.mark("read")
        identity = fit_identity(
            source=self._assignment.source,
            parameters=self._parameters,
            announced=announced.message,
            dataset=prepared.dataset,
        )
        checkpointing = self._assignment.checkpointing(identity)
        trained = self._fit(checkpointing, prepared, deadline)
        self._stopwatch.mark("trained")
        return outcome_of(
            trained,
            prepared=prepared,
            announced=announced.message,
            timings=self._assignment.timings(trained),
            deadline=deadline,
            class_weight=self._balanced_weights(),
        )

    def _await_announcement(self) -> Announcement:
        order = self._assignment.order
        logger.info("waiting for the stream", control_topic=order.control_topic)
        with AnnouncementReader(
            kafka=self._assignment.kafka,
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
            kafka=self._assignment.kafka,
            settings=self._assignment.settings,
            directory=self._assignment.data_directory,
            deadline=deadline,
        )
        prepared = preparation.prepare(announced, built)
        self._parameters = prepared.parameters
        return prepared

    def _fit(
        self, checkpointing: Checkpointing | None, prepared: Prepared, deadline: Deadline
    ) -> Trained:
        """Fit; what is odd about the records may be why a loss is no number any more."""
        try:
            return self._train(checkpointing, deadline)
        except DivergedError as e:
            message = ". ".join([e.message, *prepared.warnings])
            raise DivergedError(message, kept=e.kept) from e

    def _train(self, checkpointing: Checkpointing | None, deadline: Deadline) -> Trained:
        data_memory = self._assignment.settings.data_memory_bytes(
            self._parameters.resources
        )
        with (
            BackgroundReporter(self._assignment.reporter) as background,
            CheckpointSender(
                self._assignment.reporter, directory=self._assignment.directory
            ) as sender,
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
        wanted = self._assignment.order.parameters.fit.class_weight
        weights = self._parameters.fit.class_weight
        return weights if wanted == "balanced" and isinstance(weights, dict) else None
