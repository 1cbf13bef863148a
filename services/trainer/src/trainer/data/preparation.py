"""From an announcement to a dataset: reads, checks and splits the records of a stream."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from kafkaml.control import ControlMessage, TopicRange
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.states import FailureReason
from trainer.config import TrainerSettings
from trainer.data.allocation import reused_blocks
from trainer.data.dataset import Dataset
from trainer.data.demands import check_demands, with_class_weights
from trainer.data.oddities import oddities_of
from trainer.data.parts import check_parts
from trainer.data.records import RecordCollector, Records
from trainer.data.split import Indices, Split, fold_numbers, split
from trainer.data.stream import RangeReader, RecordBatch
from trainer.data.suitability import check_suitability
from trainer.data.topic_identity import TopicIdentities
from trainer.deadline import Deadline
from trainer.exceptions import StreamError
from trainer.messages import Built

# The clocks of a producer and of a broker may differ, and records may be a little late.
CLOCK_TOLERANCE = timedelta(minutes=5)

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What was announced, and when."""

    message: ControlMessage
    announced_at: datetime


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset in files, with what was found out about it.

    `parameters` are those of the deployment, with numbers in place of `balanced`.
    """

    dataset: Dataset
    records: Records
    parameters: TrainingParameters
    warnings: list[str]


class Preparation:
    """Makes the dataset of one training in a folder that exists."""

    def __init__(
        self,
        *,
        parameters: TrainingParameters,
        kafka: dict[str, Any],
        settings: TrainerSettings,
        directory: Path,
        deadline: Deadline,
    ) -> None:
        self._parameters = parameters
        self._kafka = kafka
        self._settings = settings
        self._directory = directory
        self._deadline = deadline

    def prepare(self, announced: Announcement, built: Built) -> Prepared:
        """Return the dataset; raise FailedError if the model cannot be trained on it."""
        records = self.read(announced)
        logger.info("the stream is read", records=len(records.features))
        check_suitability(records, built.check, built.labels)
        parts = self._split(records, announced.message)
        folds = self._folds(records.labels, parts.training)
        dataset = Dataset(records.features, records.labels, parts, folds)
        check_demands(self._parameters, dataset)
        check_parts(dataset, records, built.labels)
        parameters = with_class_weights(self._parameters, records.labels, parts.training)
        dataset.save(self._directory)
        dataset = Dataset.load(self._directory)  # the arrays themselves are let go
        warnings = oddities_of(dataset, records, parameters)
        for warning in warnings:
            logger.warning("the records are odd", warning=warning)
        return Prepared(dataset, records, parameters, warnings)

    def read(self, announced: Announcement) -> Records:
        """Read and decode exactly the announced ranges, in their order."""
        ranges = announced.message.ranges
        if not ranges:
            raise StreamError(
                FailureReason.BAD_STREAM,
                f"the topic {announced.message.topic!r} was announced without ranges: a "
                "training needs them, as topic:partition:start:end",
            )
        with (
            _paused_garbage_collection(),
            reused_blocks(),
            RecordCollector(
                announced.message,
                directory=self._directory,
                bad_records=self._parameters.bad_records,
                max_bytes=self._settings.max_record_bytes,
            ) as collector,
        ):
            for batch in self._batches(ranges):
                check_time(batch, announced.announced_at)
                collector.add(batch)
            return collector.finish()

    def _batches(self, ranges: tuple[TopicRange, ...]) -> Iterator[RecordBatch]:
        with RangeReader(
            kafka=self._kafka,
            patience_seconds=self._settings.data_patience_seconds,
            deadline=self._deadline,
        ) as reader:
            topics = TopicIdentities(
                kafka=self._kafka,
                topics={each.topic for each in ranges},
                deadline=self._deadline,
            )
            try:
                yield from reader.read(*ranges)
            except StreamError:
                topics.check()  # a topic that was made again explains what is missing
                raise
            topics.check()

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

    def _folds(self, labels: NDArray[Any], training: Indices) -> Indices:
        wanted = self._parameters
        if wanted.folds is None:
            return np.empty(0, np.int64)
        return fold_numbers(
            labels[training], folds=wanted.folds, strategy=wanted.split, seed=wanted.seed
        )


def check_time(batch: RecordBatch, announced_at: datetime) -> None:
    """Raise StreamError if a broker wrote records long after they were announced.

    Kafka does not tell when a topic was made; this tells that it was made again.
    """
    at = batch.logged_at
    if at is None or at <= announced_at + CLOCK_TOLERANCE:
        return
    source = batch.source
    raise StreamError(
        FailureReason.DATA_GONE,
        f"record {source.topic}:{source.partition}:{batch.offsets[0]} was written at "
        f"{at:%Y-%m-%d %H:%M:%S} UTC, but announced at {announced_at:%Y-%m-%d %H:%M:%S}: "
        "the topic was made again meanwhile. Send the records again and announce them",
    )


def _either(wanted: float | None, announced: float) -> float:
    return announced if wanted is None else wanted


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Many small objects come and go while records are collected; none is garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
