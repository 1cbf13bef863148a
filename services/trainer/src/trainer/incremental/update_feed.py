"""Updates on their way to the model's process: not too far ahead, and in good time."""

from collections.abc import Mapping
from pathlib import Path
from time import monotonic

import numpy as np

from kafkaml.schemas.deployments import TrainingParameters
from trainer.data.dataset import Dataset
from trainer.data.split import Split
from trainer.exceptions import DeadlineError, ModelCodeError
from trainer.incremental.reservoir import Reservoir
from trainer.incremental.updates import RecordUpdate, UpdateCollector, ranges_text
from trainer.messages import StreamStarted, Update, UpdateDone
from trainer.sandbox.model_process import ModelProcess

# What waits for the model's process: enough that it never waits, bounded in any case.
MAX_UPDATES_AHEAD = 8
MAX_BYTES_AHEAD = 2**26
SAMPLE_RECORDS = 2**14
SAMPLE_BYTES = 2**26


class UpdateFeed:
    """Sends what was collected, knows how far the stream is read, and keeps a sample.

    `directory` is where the model's process finds the records.
    """

    def __init__(
        self,
        *,
        process: ModelProcess,
        collector: UpdateCollector,
        parameters: TrainingParameters,
        update_records: int,
        directory: Path,
    ) -> None:
        self._process = process
        self._collector = collector
        self._parameters = parameters
        self._update_records = update_records
        self._directory = directory
        self._generator = np.random.default_rng(parameters.seed)
        self._sample: Reservoir | None = None
        self._starts: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._active_at = monotonic()
        self._records_before = 0
        self._done = 0
        self.sent = 0
        self.input_shape: list[int] = []

    def begin(self, started: StreamStarted) -> None:
        """Go on from where the model's process says that it is."""
        self.sent = self._done = started.updates
        self._records_before = started.records
        self._starts = dict(started.starts)
        self._positions = dict(started.positions or {})

    @property
    def records(self) -> int:
        """How many records were read, by attempts before, too."""
        return self._records_before + self._collector.read

    @property
    def has_room(self) -> bool:
        """Whether another update may be sent before one is done."""
        size = max(1, self._collector.row_bytes * self._update_records)
        most = max(2, min(MAX_UPDATES_AHEAD, MAX_BYTES_AHEAD // size))
        return self.sent - self._done < most

    def send(self, starts: Mapping[int, int]) -> None:
        """Send a full update, or all that is there; `starts` is where the reading began."""
        count = min(self._collector.pending, self._update_records)
        update = self._collector.take(count)
        self.sent += 1
        self._starts = {**starts, **self._starts}
        self._positions = {**starts, **self._positions, **update.positions}
        update.save(self._directory, self.sent)
        self._keep_sample(update)
        if self.sent - self._done == 1:
            self._active_at = monotonic()
        self._process.send(
            Update(number=self.sent, starts=self._starts, positions=self._positions)
        )

    def note_done(self, report: UpdateDone) -> None:
        """Note that an update is done; raise ModelCodeError if it is not the next one."""
        if report.number != self._done + 1 or report.number > self.sent:
            raise ModelCodeError("the model's process reported an update out of order")
        self._done = report.number
        self._active_at = monotonic()

    def check_progress(self) -> None:
        """Raise DeadlineError if an update takes longer than the deployment allows."""
        waited = monotonic() - self._active_at
        if self.sent > self._done and waited > self._parameters.deadline_seconds:
            raise late_error(self._parameters)

    def ranges(self, topic: str) -> str:
        """Return what was sent, as a control message announces it."""
        return ranges_text(topic, self._starts, self._positions)

    def save_sample(self) -> Dataset:
        """Return a sample of the records, as files where the model's process was.

        If none came since the attempt before, that process has left some there.
        """
        rows = None if self._sample is None else self._sample.rows
        if rows is None:
            return Dataset.load(self._directory)
        none = np.empty(0, np.int64)
        dataset = Dataset(*rows, Split(np.arange(len(rows[0])), none, none))
        dataset.save(self._directory)
        return dataset

    def _keep_sample(self, update: RecordUpdate) -> None:
        if self._sample is None:
            row_bytes = max(1, self._collector.row_bytes)
            self._sample = Reservoir(max(1, min(SAMPLE_RECORDS, SAMPLE_BYTES // row_bytes)))
            self.input_shape = list(update.features.shape[1:])
        self._sample.add(update.rows, self._generator)


def late_error(parameters: TrainingParameters) -> DeadlineError:
    """Return the error for an update that takes longer than the deployment allows."""
    return DeadlineError(
        f"an update, or the end of the training, took longer than "
        f"{parameters.deadline_seconds} s: raise deadline_seconds, or use smaller updates"
    )
