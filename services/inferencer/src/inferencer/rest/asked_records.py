"""Records that are asked about: the same codec, model and answers as in the stream."""

import base64
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from prometheus_client import Counter
from pydantic import ValidationError

from inferencer.answers import MODEL_HEADER
from inferencer.dead_letters import ERROR_PREFIX
from inferencer.exceptions import DeliveryError, RequestRefusedError
from inferencer.metrics import Metrics
from inferencer.record import Reply
from inferencer.rest.asked_record import AskedRecord
from inferencer.rest.asked_values import AskedValues, Value
from inferencer.rest.messages import HttpAnswer
from inferencer.served_model import ServedModel
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import OutputFormat
from kafkaml.schemas.predictions import PredictionRequest, RecordError

_JSON_FORMATS = {OutputFormat.JSON, OutputFormat.LABEL}


class AskedRecords:
    """Answers what would go to the output topic, the dead letters or the upper topic."""

    def __init__(
        self,
        *,
        order: InferenceOrder,
        values: AskedValues,
        model: ServedModel,
        metrics: Metrics,
    ) -> None:
        self._order = order
        self._values = values
        self._model = model
        self._counter = Counter(
            "kafkaml_inferencer_http_records",
            "Records that were asked about over HTTP",
            ["outcome"],
            registry=metrics.registry,
        )

    def answer(self, body: bytes) -> HttpAnswer:
        """Return the answer to a PredictionRequest; raise RequestRefusedError."""
        values = self._values.values_of(_request_of(body))
        answers: list[Any] = [_error(each) for each in values]
        for reply in self._first_replies(_records_of(values)):
            answers[reply.about.offset()] = self._told(reply)
        refused = sum(1 for each in answers if isinstance(each, dict) and "error" in each)
        self._counter.labels("refused").inc(refused)
        self._counter.labels("answered").inc(len(answers) - refused)
        return HttpAnswer.json({"answers": answers})

    def _first_replies(self, records: Sequence[AskedRecord]) -> list[Reply]:
        """Return the replies, of those to one record the one to its output topic last."""
        try:
            replies = self._model.asked_replies(records)
        except DeliveryError as e:
            raise RequestRefusedError(str(e), status=HTTPStatus.SERVICE_UNAVAILABLE) from e
        return sorted(replies, key=lambda reply: reply.topic == self._order.output_topic)

    def _told(self, reply: Reply) -> Any:
        headers = dict(reply.headers)
        if reply.topic == self._order.dead_letter_topic:
            return _error(
                RecordError(
                    stage=_text(headers[f"{ERROR_PREFIX}stage"]),
                    message=_text(headers[f"{ERROR_PREFIX}message"]),
                )
            )
        model = _text(headers.get(MODEL_HEADER))
        value = reply.value or b""
        is_answer = reply.topic == self._order.output_topic
        if is_answer and self._order.output_format in _JSON_FORMATS:
            # An object that is written already, to which one field is added.
            return orjson.Fragment(value[:-1] + b',"model":' + orjson.dumps(model) + b"}")
        told = {"base64": base64.b64encode(value).decode(), "model": model}
        return told if is_answer else told | {"topic": reply.topic}


def _request_of(body: bytes) -> PredictionRequest:
    try:
        return PredictionRequest.model_validate_json(body)
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, ("body", *first["loc"])))
        raise RequestRefusedError(f"{place}: {first['msg']}") from e


def _records_of(values: Sequence[Value]) -> list[AskedRecord]:
    request = secrets.randbits(31)
    return [
        AskedRecord(value, place, request)
        for place, value in enumerate(values)
        if isinstance(value, bytes)
    ]


def _error(value: Value) -> dict[str, Any]:
    """Return an error; for a record that has none yet, what must be replaced."""
    if isinstance(value, bytes):
        return _error(RecordError(stage="predict", message="the model gave no answer"))
    return {"error": {"stage": value.stage, "message": value.message}}


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
