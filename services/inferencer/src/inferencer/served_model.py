"""The models of a replica, for its stream and for those who ask over HTTP."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from inferencer.engines.base import Engine
from inferencer.exceptions import ModelBusyError
from inferencer.model_counts import ModelCounts
from inferencer.models import Models
from inferencer.pace import BatchLimit
from inferencer.record import Record, Reply
from kafkaml.records.base import Array

WAIT_SECONDS = 10.0
MOST_ROWS = 256
# How long the stream waits for one who asks, unless a single record takes longer.
MOST_SECONDS = 0.05


class ServedModel:
    """Lets one at a time use the models, for an engine is not made for several threads.

    Those who ask stand in line behind one another before they stand beside the stream, and
    what they ask is answered in small parts: so the stream waits for one small part at
    most, however many ask.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._in_use = threading.Lock()
        self._line = threading.Lock()
        self._part = BatchLimit(most_records=MOST_ROWS, most_seconds=MOST_SECONDS)

    @property
    def engine(self) -> Engine:
        """The engine of the primary model, to be asked what it takes."""
        return self._models.engine

    @property
    def version(self) -> str:
        """Training and model version of the primary model, with a dot between."""
        return self._models.version

    @property
    def revision(self) -> int:
        """Which models answer."""
        return self._models.revision

    @property
    def counts(self) -> Sequence[ModelCounts]:
        """What each of the models did."""
        return self._models.counts

    def swap(self, models: Models) -> None:
        """Let others answer from the next batch on."""
        with self._in_use:
            before, self._models = self._models, models
        if before.shadow is not None:
            before.shadow.close()

    def close(self) -> None:
        """End what runs beside the models."""
        if self._models.shadow is not None:
            self._models.shadow.close()

    def replies(self, records: Sequence[Record]) -> list[Reply]:
        """Return the answers and dead letters of records of the stream."""
        with self._in_use:
            models = self._models
            replies = models.replies.replies(records)
        if models.shadow is not None:
            models.shadow.take(records)
        return replies

    def asked_replies(self, records: Sequence[Record]) -> list[Reply]:
        """Return the same for records that did not come by the stream.

        Raise ModelBusyError if there is no turn in time, and DeliveryError if what is
        needed to read records is away.
        """
        replies: list[Reply] = []
        done = 0
        while done < len(records):
            with self._turn(len(records) - done) as rows:
                part = records[done : done + rows]
                replies.extend(self._models.asked.replies(part))
            done += len(part)
        return replies

    def asked_predictions(self, batch: Array) -> Array:
        """Return the predictions of rows in the model's shape, at least one.

        Raise ModelBusyError, and PredictionError if one of the rows cannot be predicted.
        """
        predictions = []
        done = 0
        while done < len(batch):
            with self._turn(len(batch) - done) as rows:
                part = batch[done : done + rows]
                predictions.append(self.engine.predict(part))
            done += len(part)
        return np.concatenate(predictions)

    @contextmanager
    def _turn(self, wanted: int) -> Iterator[int]:
        """Have the model alone for as many rows as it says, `wanted` at most."""
        with _held(self._line), _held(self._in_use):
            rows = min(wanted, self._part.records)
            started = time.monotonic()
            yield rows
            self._part.learn(records=rows, seconds=time.monotonic() - started)


@contextmanager
def _held(lock: threading.Lock) -> Iterator[None]:
    if not lock.acquire(timeout=WAIT_SECONDS):
        raise ModelBusyError(f"the model was busy for {WAIT_SECONDS:g} s: try again")
    try:
        yield
    finally:
        lock.release()
