"""Answers: predictions as records of the output topic."""

from collections.abc import Sequence
from itertools import repeat

import numpy as np

from inferencer.outputs import encode_raw, encoder_for
from inferencer.record import Headers, Record, Reply, headers_of, sources
from kafkaml.records.base import Array
from kafkaml.schemas.attempts import InferenceOrder

SOURCE_HEADER = "kafkaml-source"
MODEL_HEADER = "kafkaml-model"
INBOUND_NAMES = {
    SOURCE_HEADER: "kafkaml-inbound-source",
    MODEL_HEADER: "kafkaml-inbound-model",
}


class AnswerWriter:
    """Writes the answers of one inference."""

    def __init__(self, *, order: InferenceOrder) -> None:
        self._topic = order.output_topic
        self._encode = encoder_for(order.output_format, order.output_config)
        self._model = f"{order.training_id}/{order.model_version}".encode()

    def write(self, records: Sequence[Record], predictions: Array) -> list[Reply]:
        """Return the answer to each record; `predictions` has one row for each."""
        return self.send(self._topic, records, self._encode(predictions))

    def send(
        self, topic: str, records: Sequence[Record], values: Sequence[bytes]
    ) -> list[Reply]:
        """Return a reply to each record, with its key, its headers and its origin."""
        keys = [record.key() for record in records]
        columns = zip(
            repeat(topic, len(records)),
            keys,
            values,
            self._headers(records),
            records,
            repeat(0, len(records)),
            strict=True,
        )
        return list(map(Reply._make, columns))

    def _headers(self, records: Sequence[Record]) -> list[Headers]:
        model = (MODEL_HEADER, self._model)
        return [
            [
                *(copied_headers(headers) if (headers := headers_of(record)) else ()),
                (SOURCE_HEADER, source),
                model,
            ]
            for record, source in zip(records, sources(records), strict=True)
        ]


class EarlyExitWriter:
    """Writes answers where the model is sure, and sends the rest on to the next model.

    Each row holds the prediction, `answer_width` numbers, and then the tensor that the next
    model takes.
    """

    def __init__(
        self, *, answers: AnswerWriter, answer_width: int, limit: float, upper_topic: str
    ) -> None:
        self._answers = answers
        self._answer_width = answer_width
        self._limit = limit
        self._upper_topic = upper_topic

    def write(self, records: Sequence[Record], predictions: Array) -> list[Reply]:
        """Return an answer, or the record for the next model, for each record."""
        answers = predictions[:, : self._answer_width]
        goes_on = answers.max(axis=1) < self._limit
        tensors = encode_raw(predictions[goes_on, self._answer_width :])
        sure = [records[place] for place in np.flatnonzero(~goes_on)]
        unsure = [records[place] for place in np.flatnonzero(goes_on)]
        return [
            *self._answers.write(sure, answers[~goes_on]),
            *self._answers.send(self._upper_topic, unsure, tensors),
        ]


def copied_headers(headers: Headers) -> Headers:
    """Return a request's headers; those that only an answer may have are renamed."""
    return [(INBOUND_NAMES.get(name, name), value) for name, value in headers]
