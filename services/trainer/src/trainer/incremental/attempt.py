"""An attempt that trains on a stream without an end, until it is quiet or was enough."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import structlog

from kafkaml.control import ControlMessage
from kafkaml.exceptions import FormatError
from kafkaml.records import RecordFormat, record_format
from kafkaml.schemas.attempts import TrainingOrder
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.incremental import (
    EndedBy,
    ImprovementReport,
    IncrementalOptions,
    IncrementalSummary,
)
from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.trainings import SplitCounts, Timings, TrainingProgress
from trainer.checkpoints.fit_identity import stream_identity
from trainer.checkpoints.transfer import CheckpointSender, fetch_checkpoint
from trainer.config import TrainerSettings
from trainer.data.dataset import Dataset
from trainer.data.split import Split
from trainer.data.suitability import check_suitability
from trainer.deadline import Deadline
from trainer.exceptions import DeadlineError, ModelCodeError, StreamError
from trainer.incremental.finish_watch import FinishWatch
from trainer.incremental.improvement_sender import ImprovementSender
from trainer.incremental.reservoir import Reservoir
from trainer.incremental.topic_reader import TopicReader
from trainer.incremental.updates import RecordUpdate, UpdateCollector, ranges_text
from trainer.messages import (
    DATA_DIRECTORY,
    Built,
    Checkpointing,
    CheckpointWritten,
    EndStream,
    EpochDone,
    FitProgressed,
    Improved,
    Report,
    StreamStarted,
    StreamTrained,
    TrainStream,
    Update,
    UpdateDone,
)
from trainer.model_process import ModelProcess
from trainer.preparation import Announcement, Prepared
from trainer.records import Records
from trainer.results.background_reporter import BackgroundReporter
from trainer.results.outcome import Outcome, outcome_of
from trainer.results.reporter import Reporter
from trainer.stopwatch import Stopwatch

DEFAULT_VALIDATION_RATE = 0.1
POLL_SECONDS = 0.1
RECORDS_AT_ONCE = 1000
# What waits for the model's process: enough that it never waits, bounded in any case.
MAX_UPDATES_AHEAD = 8
MAX_BYTES_AHEAD = 2**26
SAMPLE_RECORDS = 2**14
SAMPLE_BYTES = 2**26

logger = structlog.get_logger()


def is_incremental(parameters: TrainingParameters, announced: ControlMessage) -> bool:
    """Say whether a stream has no end; raise StreamError if that cannot be trained on."""
    if announced.ranges:
        if parameters.incremental is not None:
            raise _unsuitable(
                "the deployment is incremental, but ranges of records were announced: "
                "announce the name of the topic alone, or deploy without `incremental`"
            )
        return False
    if parameters.incremental is None and not announced.incremental:
        raise _unsuitable(
            f"the topic {announced.topic!r} was announced without ranges, as a stream "
            "without an end: announce it with `incremental` true, deploy with "
            "`incremental`, or give ranges as topic:partition:start:end"
        )
    try:
        parameters.check_suits_incremental()
    except ValueError as e:
        raise _unsuitable(str(e)) from e
    return True


class IncrementalAttempt:
    """Feeds a model's process with updates, and ends when the stream has."""

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
        announcement: Announcement,
        built: Built,
    ) -> None:
        self._order = order
        self._parameters = order.parameters
        self._options = order.parameters.incremental or IncrementalOptions()
        self._source = source
        self._attempt = attempt
        self._process = process
        self._reporter = reporter
        self._kafka = kafka
        self._settings = settings
        self._directory = directory
        self._stopwatch = stopwatch
        self._announcement = announcement
        self._announced = announcement.message
        self._collector = UpdateCollector(
            _format_of(self._announced),
            bad_records=self._parameters.bad_records,
            check=lambda records: check_suitability(
                records, built.check, built.labels, are_all=False
            ),
        )
        self._generator = np.random.default_rng(self._parameters.seed)
        self._sample: Reservoir | None = None
        self._started = StreamStarted()
        self._starts: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._input_shape: list[int] = []
        self._sent = self._done = 0
        self._active_at = self._record_at = monotonic()
        self._trained: StreamTrained | None = None

    def train(self) -> Outcome:
        """Return the outcome; raise FailedError, AttemptOverError or PlatformError."""
        announced = self._announced
        self._reporter.progress("training", progress=self._first_progress())
        reader = TopicReader(
            kafka=self._kafka,
            topic=announced.topic,
            since=self._announcement.announced_at,
            patience_seconds=self._settings.data_patience_seconds,
        )
        with (
            reader,
            BackgroundReporter(self._reporter) as background,
            CheckpointSender(self._reporter, directory=self._directory) as checkpoints,
            ImprovementSender(self._reporter, directory=self._directory) as improvements,
            FinishWatch(self._reporter) as watch,
        ):
            self._handlers: dict[type[Report], Callable[[Any], None]] = {
                FitProgressed: lambda each: background.progress(each.report),
                EpochDone: lambda each: background.epoch(each.report),
                CheckpointWritten: checkpoints.send,
                Improved: lambda each: improvements.send(self._improvement(each)),
                UpdateDone: self._note_done,
                StreamTrained: self._note_trained,
            }
            self._begin(reader)
            ended_by = self._feed(reader, watch)
            self._send_rest(reader)
            deadline = Deadline.after(self._parameters.deadline_seconds)
            trained = self._end(deadline)
            return self._outcome(trained, ended_by, deadline)

    def _begin(self, reader: TopicReader) -> None:
        """Let the model's process say from where the stream is to be read."""
        topic_id = self._await_topic(reader)
        self._started = self._process.begin(
            TrainStream(
                parameters=self._parameters,
                options=self._options,
                validation_rate=self._validation_rate,
                checkpointing=self._checkpointing(topic_id),
            ),
            deadline=Deadline.after(self._settings.build_timeout_seconds),
        )
        self._sent = self._done = self._started.updates
        self._starts = dict(self._started.starts)
        self._positions = dict(self._started.positions or {})
        reader.begin(self._started.positions)
        logger.info(
            "reading a stream without an end",
            topic=self._announced.topic,
            records_before=self._started.records,
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

    def _feed(self, reader: TopicReader, watch: FinishWatch) -> EndedBy:
        """Read and send updates until something says that it was enough."""
        size = self._options.update_records
        while True:
            self._take_reports(0 if self._has_room else POLL_SECONDS)
            if self._order.is_to_finish or watch.is_wanted:
                return "finish"
            if not self._has_room:
                self._check_progress()
                self._record_at = monotonic()  # what was not asked for is no silence
                continue
            limit = self._limit
            if not limit:
                return "count"
            if self._collector.pending < size:
                self._read(reader, limit)
            if self._collector.pending >= size:
                self._send(size, reader)
            elif self._is_quiet(reader):
                return "quiet"

    def _read(self, reader: TopicReader, limit: int) -> None:
        batches = reader.read(min(RECORDS_AT_ONCE, limit), POLL_SECONDS)
        for batch in batches:
            self._collector.add(batch)
        if batches:
            self._record_at = monotonic()

    def _send(self, count: int, reader: TopicReader) -> None:
        update = self._collector.take(count)
        self._sent += 1
        self._starts = reader.starts | self._starts
        self._positions = reader.starts | self._positions | update.positions
        update.save(self._directory / DATA_DIRECTORY, self._sent)
        self._keep_sample(update)
        if self._sent - self._done == 1:
            self._active_at = monotonic()
        self._process.send(
            Update(number=self._sent, starts=self._starts, positions=self._positions)
        )

    def _send_rest(self, reader: TopicReader) -> None:
        """Send what is left of a stream that has ended; the last update may be smaller."""
        while self._collector.pending:
            self._take_reports(0 if self._has_room else POLL_SECONDS)
            self._check_progress()
            if self._has_room:
                size = self._options.update_records
                self._send(min(self._collector.pending, size), reader)
        if not self._sent:
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
                raise _late(self._parameters)
        return self._trained

    @property
    def _limit(self) -> int:
        """How many records may still be read."""
        most = self._options.max_records
        read = self._started.records + self._collector.read
        return RECORDS_AT_ONCE if most is None else max(0, most - read)

    @property
    def _has_room(self) -> bool:
        """Whether another update may be sent before one is done."""
        size = max(1, self._collector.row_bytes * self._options.update_records)
        most = max(2, min(MAX_UPDATES_AHEAD, MAX_BYTES_AHEAD // size))
        return self._sent - self._done < most

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
        self._stopwatch.mark("first step")
        if report.number != self._done + 1 or report.number > self._sent:
            raise ModelCodeError("the model's process reported an update out of order")
        self._done = report.number
        self._active_at = monotonic()

    def _note_trained(self, report: StreamTrained) -> None:
        self._trained = report

    def _check_progress(self) -> None:
        waited = monotonic() - self._active_at
        if self._sent > self._done and waited > self._parameters.deadline_seconds:
            raise _late(self._parameters)

    def _keep_sample(self, update: RecordUpdate) -> None:
        if self._sample is None:
            row_bytes = max(1, self._collector.row_bytes)
            self._sample = Reservoir(max(1, min(SAMPLE_RECORDS, SAMPLE_BYTES // row_bytes)))
            self._input_shape = list(update.features.shape[1:])
        self._sample.add(update.rows, self._generator)

    @property
    def _validation_rate(self) -> float:
        wanted = self._parameters.validation_rate
        return wanted or self._announced.validation_rate or DEFAULT_VALIDATION_RATE

    def _checkpointing(self, topic_id: str) -> Checkpointing | None:
        seconds = self._parameters.checkpoint_seconds
        if seconds is None:
            return None
        return Checkpointing(
            identity=stream_identity(
                source=self._source,
                parameters=self._parameters,
                announced=self._announced,
                topic_id=topic_id,
            ),
            attempt=self._attempt,
            seconds=seconds,
            max_bytes=self._settings.max_checkpoint_bytes,
            is_resumed=self._order.checkpoint is not None
            and fetch_checkpoint(self._directory, self._reporter),
        )

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
            input_shape=self._input_shape,
        )

    def _outcome(
        self, done: StreamTrained, ended_by: EndedBy, deadline: Deadline
    ) -> Outcome:
        self._stopwatch.mark("trained")
        outcome = outcome_of(
            done.trained,
            prepared=self._prepared(),
            announced=self._announced,
            timings=self._timings(done),
            deadline=deadline,
            class_weight=None,
        )
        summary = IncrementalSummary(
            ended_by=ended_by,
            records=done.records,
            held_back=done.held_back,
            updates=done.updates,
            improvements=done.improvements,
            ranges=ranges_text(self._announced.topic, self._starts, self._positions),
        )
        counts = SplitCounts(
            training=done.records - done.held_back, validation=done.held_back, test=0
        )
        result = outcome.result.model_copy(
            update={"incremental": summary, "counts": counts, "label_counts": None}
        )
        return replace(outcome, result=result)

    def _prepared(self) -> Prepared:
        """Return a sample of the records as if they were all: what comes after needs it."""
        directory, none = self._directory / DATA_DIRECTORY, np.empty(0, np.int64)
        rows = None if self._sample is None else self._sample.rows
        if rows is None:  # none came since the attempt before: it kept some
            dataset = Dataset.load(directory)
        else:
            dataset = Dataset(*rows, Split(np.arange(len(rows[0])), none, none))
            dataset.save(directory)
        records = Records(
            dataset.features, dataset.labels, none, (), self._collector.skipped()
        )
        return Prepared(dataset, records, self._parameters, [])

    def _timings(self, done: StreamTrained) -> Timings:
        watch = self._stopwatch
        return Timings(
            build=watch.between("start", "built"),
            read=0,
            first_step=watch.between("announced", "first step"),
            fit=done.trained.fit_seconds,
            evaluate=done.trained.evaluate_seconds,
            total=watch.between("start", "trained"),
        )


def _format_of(announced: ControlMessage) -> RecordFormat:
    try:
        return record_format(announced.input_format, announced.input_config)
    except FormatError as e:
        raise _unsuitable(str(e)) from e


def _late(parameters: TrainingParameters) -> DeadlineError:
    return DeadlineError(
        f"an update, or the end of the training, took longer than "
        f"{parameters.deadline_seconds} s: raise deadline_seconds, or use smaller updates"
    )


def _unsuitable(message: str) -> StreamError:
    return StreamError(FailureReason.BAD_STREAM, message)
