"""From a batch of records to their answers and dead letters, without any Kafka."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from inferencer.answers import AnswerWriter, EarlyExitWriter
from inferencer.dead_letters import DeadLetterWriter
from inferencer.drift import DriftWatch
from inferencer.engines.base import Engine
from inferencer.exceptions import PredictionError
from inferencer.metrics import Metrics
from inferencer.model_counts import ModelCounts
from inferencer.record import Record, Reply
from inferencer.routing import canary_mask
from kafkaml.records.base import Array, BadRecord, Codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """A model, how its answers are written, and what it did."""

    engine: Engine
    answers: AnswerWriter | EarlyExitWriter
    counts: ModelCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary(Answering):
    """A second model, which answers a share of the keys."""

    share: float


class ReplyMaker:
    """Gives every record of a batch exactly one reply."""

    def __init__(
        self,
        *,
        codec: Codec,
        primary: Answering,
        dead_letters: DeadLetterWriter,
        metrics: Metrics,
        drift: DriftWatch,
        canary: Canary | None = None,
    ) -> None:
        self._codec = codec
        self._primary = primary
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._drift = drift
        self._canary = canary

    def replies(self, records: Sequence[Record]) -> list[Reply]:
        """Return the answers and dead letters of `records`."""
        with self._metrics.stage("decode"):
            decoded = self._codec.decode([record.value() for record in records])
        replies = [self._undecodable(records[bad.index], bad) for bad in decoded.bad]
        if len(decoded.good):
            good = (
                [records[index] for index in decoded.good.tolist()]
                if decoded.bad
                else records
            )
            replies.extend(self._answered(good, decoded.array))
        return replies

    def _answered(self, records: Sequence[Record], batch: Array) -> Iterable[Reply]:
        """Return the replies to decoded records, each by the model that its key has."""
        if self._canary is None:
            return self._predicted(self._primary, records, batch)
        mask = canary_mask(records, self._canary.share)
        replies: list[Reply] = []
        for model, places in (
            (self._primary, np.flatnonzero(~mask)),
            (self._canary, np.flatnonzero(mask)),
        ):
            if len(places):
                chosen = [records[place] for place in places]
                replies.extend(self._predicted(model, chosen, batch[places]))
        order = {id(record): place for place, record in enumerate(records)}
        return sorted(replies, key=lambda reply: order[id(reply.about)])

    def _predicted(
        self, model: Answering, records: Sequence[Record], rows: Array
    ) -> Iterator[Reply]:
        batch = _shaped(rows, model.engine)
        with self._metrics.stage("predict"), model.counts.call():
            outcomes = list(predict(model.engine, batch))
        for first, outcome in outcomes:
            if isinstance(outcome, PredictionError):
                model.counts.fail(outcome)
                yield self._unpredictable(records[first], outcome)
            else:
                model.counts.answer(outcome)
                with self._metrics.stage("encode"):
                    answered = records[first : first + len(outcome)]
                    written = model.answers.write(answered, outcome)
                if model is self._primary:  # whose training is what is compared with
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


def _shaped(batch: Array, engine: Engine) -> Array:
    """Return the batch in the model's shape, if its records have that many numbers."""
    wanted = engine.input_shape
    fits = math.prod(batch.shape[1:]) == math.prod(wanted)
    return batch.reshape(len(batch), *wanted) if fits else batch


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
