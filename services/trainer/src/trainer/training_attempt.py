"""One attempt of one training, from the order to the accepted result."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from kafkaml.control import ControlMessage
from kafkaml.schemas.attempts import EpochReport, TrainingOrder
from kafkaml.schemas.fit import ClassWeights
from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.trainings import Timings, TrainingProgress
from trainer.announcement import AnnouncementReader
from trainer.background_reporter import BackgroundReporter
from trainer.checkpoint_transfer import CheckpointSender, fetch_checkpoint
from trainer.config import TrainerSettings
from trainer.dataset import Dataset
from trainer.deadline import Deadline
from trainer.demands import check_demands, with_class_weights
from trainer.exceptions import StreamError
from trainer.fit_identity import fit_identity
from trainer.messages import DATA_DIRECTORY, Built, Checkpointing, Train, Trained
from trainer.model_process import ModelProcess
from trainer.outcome import Outcome, outcome_of
from trainer.records import RecordCollector, Records
from trainer.report import Reporter
from trainer.split import Indices, Split, fold_numbers, split
from trainer.stopwatch import Stopwatch
from trainer.stream import RangeReader
from trainer.suitability import check_suitability

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
        deadline = Deadline.after(self._parameters.deadline_seconds)
        self._reporter.progress("training")
        dataset = self._prepare(announced, built, deadline)
        self._stopwatch.mark("read")
        trained = self._fit(self._checkpointing(announced, dataset), deadline)
        self._stopwatch.mark("trained")
        return outcome_of(
            trained,
            dataset=dataset,
            announced=announced,
            timings=self._timings(trained),
            class_weight=self._balanced_weights(),
        )

    def _await_announcement(self) -> ControlMessage:
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
                announced = reader.poll(POLL_SECONDS)
                if announced is not None:
                    return announced

    def _prepare(
        self, announced: ControlMessage, built: Built, deadline: Deadline
    ) -> Dataset:
        """Read, check, split and save the records for the model's process."""
        records = self._read(announced, deadline)
        logger.info("the stream is read", records=len(records.features))
        check_suitability(records, built.check, built.labels)
        parts = self._split(records, announced)
        folds = self._folds(records.labels[parts.training])
        dataset = Dataset(records.features, records.labels, parts, folds)
        check_demands(self._parameters, dataset)
        self._parameters = with_class_weights(
            self._parameters, records.labels[parts.training]
        )
        dataset.save(self._data_directory)
        return Dataset.load(self._data_directory)  # the arrays themselves are let go

    def _read(self, announced: ControlMessage, deadline: Deadline) -> Records:
        if not announced.ranges:
            raise StreamError(
                FailureReason.BAD_STREAM,
                f"the topic {announced.topic!r} was announced without ranges: a training "
                "needs them, as topic:partition:start:end",
            )
        collector = RecordCollector(announced)
        with (
            _paused_garbage_collection(),
            RangeReader(
                kafka=self._kafka,
                patience_seconds=self._settings.data_patience_seconds,
                deadline=deadline,
            ) as reader,
        ):
            for wanted in announced.ranges:
                for batch in reader.read(wanted):
                    collector.add(batch)
        return collector.finish()

    def _split(self, records: Records, announced: ControlMessage) -> Split:
        """Split by the deployment's rates where it has them, else by the stream's."""
        wanted = self._parameters
        validation = _either(wanted.validation_rate, announced.validation_rate)
        test = _either(wanted.test_rate, announced.test_rate)
        count = len(records.features)
        parts = split(
            count,
            records.labels,
            validation_rate=validation,
            test_rate=test,
            strategy=wanted.split,
            seed=wanted.seed,
        )
        if not len(parts.training):
            raise StreamError(
                FailureReason.BAD_STREAM,
                f"{count} records with validation_rate {validation:g} and test_rate "
                f"{test:g} leave none to train on: send more, or lower the rates",
            )
        return parts

    def _folds(self, labels: NDArray[Any]) -> Indices:
        wanted = self._parameters
        if wanted.folds is None:
            return np.empty(0, np.int64)
        return fold_numbers(
            labels, folds=wanted.folds, strategy=wanted.split, seed=wanted.seed
        )

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

    def _fit(self, checkpointing: Checkpointing | None, deadline: Deadline) -> Trained:
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
                Train(parameters=self._parameters, checkpointing=checkpointing),
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


def _either(wanted: float | None, announced: float) -> float:
    return announced if wanted is None else wanted


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Many small objects come and stay while records are collected; none is garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
