"""From a batch of records to their answers and dead letters, without any Kafka."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from inferencer.answers import AnswerWriter, EarlyExitWriter
from inferencer.dead_letters import DeadLetterWriter
from inferencer.drift import DriftWatch
from inferencer.engines.base import Engine
from inferencer.exceptions import PredictionError
from inferencer.metrics import Metrics
from inferencer.record import Record, Reply
from kafkaml.records.base import Array, BadRecord, Codec


class ReplyMaker:
    """Gives every record of a batch exactly one reply."""

    def __init__(
        self,
        *,
        codec: Codec,
        engine: Engine,
        answers: AnswerWriter | EarlyExitWriter,
        dead_letters: DeadLetterWriter,
        metrics: Metrics,
        drift: DriftWatch,
    ) -> None:
        self._codec = codec
        self._engine = engine
        self._answers = answers
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._drift = drift

    def replies(self, records: Sequence[Record]) -> list[Reply]:
        """Return the answers and dead letters of `records`."""
        with self._metrics.stage("decode"):
            decoded = self._codec.decode([record.value() for record in records])
        replies = [self._undecodable(records[bad.index], bad) for bad in decoded.bad]
        if len(decoded.good):
            good = [records[index] for index in decoded.good.tolist()]
            replies.extend(self._predicted(good, self._shaped(decoded.array)))
        return replies

    def _shaped(self, batch: Array) -> Array:
        """Return the batch in the model's shape, if its records have that many numbers."""
        wanted = self._engine.input_shape
        fits = math.prod(batch.shape[1:]) == math.prod(wanted)
        return batch.reshape(len(batch), *wanted) if fits else batch

    def _predicted(self, records: list[Record], batch: Array) -> Iterator[Reply]:
        with self._metrics.stage("predict"):
            outcomes = list(predict(self._engine, batch))
        for first, outcome in outcomes:
            if isinstance(outcome, PredictionError):
                yield self._unpredictable(records[first], outcome)
            else:
                with self._metrics.stage("encode"):
                    answered = records[first : first + len(outcome)]
                    written = self._answers.write(answered, outcome)
                self._drift.observe(batch[first : first + len(outcome)], outcome)
                yield from written

    def _undecodable(self, record: Record, bad: BadRecord) -> Reply:
        return self._dead_letters.write(
            record, stage="decode", error=BadRecord.__name__, reason=bad.reason
        )

    def _unpredictable(self, record: Record, error: PredictionError) -> Reply:
        return self._dead_letters.write(
            record, stage="predict", error=type(error).__name__, reason=str(error)
        )


def predict(
    engine: Engine, batch: Array, first: int = 0
) -> Iterator[tuple[int, Array | PredictionError]]:
    """Yield predictions with the place of their first row, in the order of the rows.

    A batch that fails is halved until the error is that of one row, so that one poisonous
    record costs its neighbours a few more calls and nothing else.
    """
    try:
        yield first, engine.predict(batch)
    except PredictionError as e:
        if len(batch) == 1:
            yield first, e
            return
        for half in np.array_split(batch, 2):
            yield from predict(engine, half, first)
            first += len(half)
