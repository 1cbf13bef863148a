"""An attempt that trains on a stream without an end, until it is quiet or was enough."""

from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import Any

import numpy as np
import structlog

from kafkaml.exceptions import FormatError
from kafkaml.records import RecordFormat, record_format
from kafkaml.schemas.incremental import EndedBy, ImprovementReport, IncrementalOptions
from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.trainings import TrainingProgress
from trainer.assignment import Assignment
from trainer.checkpoints.fit_identity import stream_identity
from trainer.checkpoints.transfer import CheckpointSender
from trainer.data.preparation import Announcement, Prepared
from trainer.data.records import Records
from trainer.data.suitability import check_suitability
from trainer.deadline import Deadline
from trainer.exceptions import DeadlineError, ModelCodeError, StreamError
from trainer.incremental.finish_watch import FinishWatch
from trainer.incremental.improvement_sender import ImprovementSender
from trainer.incremental.summary import of_stream
from trainer.incremental.topic_reader import TopicReader
from trainer.incremental.update_feed import UpdateFeed, late_error
from trainer.incremental.updates import UpdateCollector
from trainer.messages import (
    Built,
    CheckpointWritten,
    EndStream,
    EpochDone,
    FitProgressed,
    Improved,
    Report,
    StreamTrained,
    TrainStream,
    UpdateDone,
)
from trainer.results.background_reporter import BackgroundReporter
from trainer.results.outcome import Outcome, outcome_of

DEFAULT_VALIDATION_RATE = 0.1
POLL_SECONDS = 0.1
RECORDS_AT_ONCE = 1000

logger = structlog.get_logger()

Handlers = Mapping[type[Report], Callable[[Any], None]]


class IncrementalAttempt:
    """Feeds a model's process with updates, and ends when the stream has."""

    def __init__(
        self, assignment: Assignment, *, announcement: Announcement, built: Built
    ) -> None:
        self._assignment = assignment
        self._process = assignment.process
        self._parameters = assignment.order.parameters
        self._options = self._parameters.incremental or IncrementalOptions()
        self._announcement = announcement
        self._announced = announcement.message
        self._collector = UpdateCollector(
            self._format(),
            bad_records=self._parameters.bad_records,
            check=lambda records: check_suitability(records, built.check, built.labels),
        )
        self._feed = UpdateFeed(
            process=self._process,
            collector=self._collector,
            parameters=self._parameters,
            update_records=self._options.update_records,
            directory=assignment.data_directory,
        )
        self._handlers: Handlers = {}
        self._record_at = monotonic()
        self._trained: StreamTrained | None = None

    def train(self) -> Outcome:
        """Return the outcome; raise FailedError, AttemptOverError or PlatformError."""
        reporter, directory = self._assignment.reporter, self._assignment.directory
        reporter.progress("training", progress=self._first_progress())
        with (
            self._open_reader() as reader,
            BackgroundReporter(reporter) as background,
            CheckpointSender(reporter, directory=directory) as checkpoints,
            ImprovementSender(reporter, directory=directory) as improvements,
            FinishWatch(reporter) as watch,
        ):
            self._handlers = {
                FitProgressed: lambda each: background.progress(each.report),
                EpochDone: lambda each: background.epoch(each.report),
                CheckpointWritten: checkpoints.send,
                Improved: lambda each: improvements.send(self._improvement(each)),
                UpdateDone: self._note_done,
                StreamTrained: self._note_trained,
            }
            self._begin(reader)
            ended_by = self._send_updates(reader, watch)
            self._send_rest(reader)
            deadline = Deadline.after(self._parameters.deadline_seconds)
            trained = self._end(deadline)
            return self._outcome(trained, ended_by, deadline)

    def _open_reader(self) -> TopicReader:
        return TopicReader(
            kafka=self._assignment.kafka,
            topic=self._announced.topic,
            since=self._announcement.announced_at,
            patience_seconds=self._assignment.settings.data_patience_seconds,
        )

    def _begin(self, reader: TopicReader) -> None:
        """Let the model's process say from where the stream is to be read."""
        identity = stream_identity(
            source=self._assignment.source,
            parameters=self._parameters,
            announced=self._announced,
            topic_id=self._await_topic(reader),
        )
        started = self._process.begin(
            TrainStream(
                parameters=self._parameters,
                options=self._options,
                validation_rate=self._validation_rate,
                checkpointing=self._assignment.checkpointing(identity),
            ),
            deadline=Deadline.after(self._assignment.settings.build_timeout_seconds),
        )
        self._feed.begin(started)
        reader.begin(started.positions)
        logger.info(
            "reading a stream without an end",
            topic=self._announced.topic,
            records_before=started.records,
        )

    def _await_topic(self, reader: TopicReader) -> str:
        deadline = Deadline.after(self._parameters.deadline_seconds)
        while (topic_id := reader.topic_id()) is None:
            self._process.raise_if_lost()
            if deadline.passed:
                raise DeadlineError(
                    f"the topic {self._announced.topic} could not be looked up within "
                    f"{self._parameters.deadline_seconds} s: is Kafka reachable?"
                )
            sleep(POLL_SECONDS)
        return topic_id

    def _send_updates(self, reader: TopicReader, watch: FinishWatch) -> EndedBy:
        """Read and send updates until something says that it was enough."""
        size = self._options.update_records
        while True:
            self._take_reports(0 if self._feed.has_room else POLL_SECONDS)
            if self._assignment.order.is_to_finish or watch.is_wanted:
                return "finish"
            if not self._feed.has_room:
                self._feed.check_progress()
                self._record_at = monotonic()  # what was not asked for is no silence
                continue
            limit = self._limit
            if not limit:
                return "count"
            if self._collector.pending < size:
                self._read(reader, limit)
            if self._collector.pending >= size:
                self._feed.send(reader.starts)
            elif self._is_quiet(reader):
                return "quiet"

    def _read(self, reader: TopicReader, limit: int) -> None:
        batches = reader.read(min(RECORDS_AT_ONCE, limit), POLL_SECONDS)
        for batch in batches:
            self._collector.add(batch)
        if batches:
            self._record_at = monotonic()

    def _send_rest(self, reader: TopicReader) -> None:
        """Send what is left of a stream that has ended; the last update may be smaller."""
        while self._collector.pending:
            self._take_reports(0 if self._feed.has_room else POLL_SECONDS)
            self._feed.check_progress()
            if self._feed.has_room:
                self._feed.send(reader.starts)
        if not self._feed.sent:
            raise StreamError(
                FailureReason.DATA_SHORT,
                f"no record came to the topic {self._announced.topic} after it was "
                "announced: were they sent before? Raise incremental.quiet_seconds if "
                "they take longer",
            )

    def _end(self, deadline: Deadline) -> StreamTrained:
        self._process.send(EndStream())
        while self._trained is None:
            self._take_reports(POLL_SECONDS)
            if deadline.passed:
                raise late_error(self._parameters)
        return self._trained

    @property
    def _limit(self) -> int:
        """How many records may still be read."""
        most = self._options.max_records
        return RECORDS_AT_ONCE if most is None else max(0, most - self._feed.records)

    def _is_quiet(self, reader: TopicReader) -> bool:
        patience = self._options.quiet_seconds
        if patience is None or monotonic() - self._record_at < patience:
            return False
        is_at_end = reader.is_at_end()
        if not is_at_end:
            self._record_at = monotonic()  # the brokers are away, or have more
        return is_at_end

    def _take_reports(self, seconds: float) -> None:
        """Handle all reports that are there; wait so long for the first."""
        report = self._process.receive(Deadline.after(seconds))
        while report is not None:
            handle = self._handlers.get(type(report))
            if handle is None:
                raise ModelCodeError(
                    f"the model's process reported {report.kind} out of order"
                )
            handle(report)
            report = self._process.receive(Deadline.after(0))

    def _note_done(self, report: UpdateDone) -> None:
        self._assignment.stopwatch.mark("first step")
        self._feed.note_done(report)

    def _note_trained(self, report: StreamTrained) -> None:
        self._trained = report

    def _format(self) -> RecordFormat:
        announced = self._announced
        try:
            return record_format(announced.input_format, announced.input_config)
        except FormatError as e:
            raise StreamError(FailureReason.BAD_STREAM, str(e)) from e

    @property
    def _validation_rate(self) -> float:
        wanted = self._parameters.validation_rate
        return wanted or self._announced.validation_rate or DEFAULT_VALIDATION_RATE

    def _first_progress(self) -> TrainingProgress:
        return TrainingProgress(
            epoch=1, step=0, steps=self._options.epoch_updates, records=0
        )

    def _improvement(self, improved: Improved) -> ImprovementReport:
        return ImprovementReport(
            artifact_sha256="0" * 64,
            epoch=improved.epoch,
            values=improved.values,
            stream=self._announced.model_dump(mode="json"),
            input_shape=self._feed.input_shape,
        )

    def _outcome(
        self, done: StreamTrained, ended_by: EndedBy, deadline: Deadline
    ) -> Outcome:
        self._assignment.stopwatch.mark("trained")
        outcome = outcome_of(
            done.trained,
            prepared=self._prepared(),
            announced=self._announced,
            timings=self._assignment.timings(done.trained),
            deadline=deadline,
            class_weight=None,
        )
        ranges = self._feed.ranges(self._announced.topic)
        return of_stream(outcome, done, ended_by=ended_by, ranges=ranges)

    def _prepared(self) -> Prepared:
        """Return a sample of the records as if they were all: what comes after needs it."""
        dataset = self._feed.save_sample()
        numbers, skipped = np.empty(0, np.int64), self._collector.skipped()
        records = Records(dataset.features, dataset.labels, numbers, (), skipped)
        return Prepared(dataset, records, self._parameters, [])
