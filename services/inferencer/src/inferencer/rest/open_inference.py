"""The Open Inference Protocol, version 2, as KServe and Triton speak it (JSON only)."""

import math
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import numpy as np
import orjson

from inferencer.engines.early_exit import EarlyExitEngine
from inferencer.exceptions import PredictionError, RequestRefusedError
from inferencer.rest.messages import HttpAnswer, HttpRequest
from inferencer.rest.tensors import datatype_of, read_tensor, write_tensor
from inferencer.served_model import ServedModel
from kafkaml.records.base import Array
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.predictions import MAX_RECORDS

PREFIX = "/v2"
INPUT = "input"
OUTPUT = "output"
UPPER = "upper"


class OpenInference:
    """Answers under `/v2` for the one model of a replica, `inference-<id>`.

    Its tensors are `input` and `output`, and `upper` for what a model of two outputs hands
    to the next one. Rows are given to the model as they are: no codec, no labels.
    """

    def __init__(self, *, order: InferenceOrder, model: ServedModel) -> None:
        self._name = f"inference-{order.inference_id}"
        self._model = model

    @property
    def _version(self) -> str:
        return self._model.version

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Return the answer to a path below `/v2`; raise RequestRefusedError."""
        match request.method, *request.path.removeprefix(PREFIX).strip("/").split("/"):
            case "GET", "":
                return HttpAnswer.json(_server())
            case "GET", "health", "live":
                return HttpAnswer.json({"live": True})
            case "GET", "health", "ready":
                return HttpAnswer.json({"ready": True})
            case method, "models", name, "versions", number, *rest:
                self._check(name, number)
                return self._answer(method, rest, request.body)
            case method, "models", name, *rest:
                self._check(name, self._version)
                return self._answer(method, rest, request.body)
        raise RequestRefusedError(
            f"there is no {request.method} {request.path}", status=HTTPStatus.NOT_FOUND
        )

    def _check(self, name: str, number: str) -> None:
        if (name, number) != (self._name, self._version):
            raise RequestRefusedError(
                f"there is only the model {self._name}, version {self._version}",
                status=HTTPStatus.NOT_FOUND,
            )

    def _answer(self, method: str, rest: list[str], body: bytes) -> HttpAnswer:
        match method, *rest:
            case ("GET",):
                return HttpAnswer.json(self._metadata())
            case "GET", "ready":
                return HttpAnswer.json({"name": self._name, "ready": True})
            case "POST", "infer":
                return self._infer(_object_of(body))
        raise RequestRefusedError(
            f"a model has no {method} {'/'.join(rest)}", status=HTTPStatus.NOT_FOUND
        )

    def _metadata(self) -> dict[str, Any]:
        engine = self._model.engine
        described = {
            "name": INPUT,
            "datatype": datatype_of(engine.input_dtype),
            "shape": [-1, *engine.input_shape],
        }
        return {
            "name": self._name,
            "versions": [self._version],
            "platform": "kafka-ml",
            "inputs": [described],
            "outputs": self._described_outputs(),
        }

    def _described_outputs(self) -> list[dict[str, Any]]:
        """Return what a record of zeros, or of empty texts, is answered with."""
        engine = self._model.engine
        is_text = engine.input_dtype.hasobject
        blank = np.zeros((1, *engine.input_shape), "S1" if is_text else engine.input_dtype)
        try:
            outputs = self._outputs(self._model.asked_predictions(blank))
        except PredictionError:
            return []
        return [
            {
                "name": name,
                "datatype": datatype_of(array.dtype),
                "shape": [-1, *array.shape[1:]],
            }
            for name, array in outputs.items()
        ]

    def _infer(self, request: dict[str, Any]) -> HttpAnswer:
        identifier = request.get("id")
        if not isinstance(identifier, str | None):
            raise RequestRefusedError("id is not a text")
        batch = self._batch(request.get("inputs"))
        try:
            outputs = self._outputs(self._model.asked_predictions(batch))
        except PredictionError as e:
            raise RequestRefusedError(f"the model cannot answer: {e}") from e
        wanted = _wanted(request.get("outputs"), known=list(outputs))
        answer = {
            "model_name": self._name,
            "model_version": self._version,
            "outputs": [write_tensor(name, outputs[name]) for name in wanted],
        }
        return HttpAnswer.json(
            answer if identifier is None else {**answer, "id": identifier}
        )

    def _batch(self, inputs: Any) -> Array:
        """Return the one input as rows of the model's shape and kind of number."""
        if not isinstance(inputs, list) or len(inputs) != 1:
            raise RequestRefusedError(f"inputs has to be a list of one tensor, {INPUT!r}")
        batch = read_tensor(inputs[0], place="inputs[0]")
        if inputs[0].get("name") != INPUT:
            raise RequestRefusedError(f"the model's only input is {INPUT!r}")
        if len(batch) > MAX_RECORDS:
            raise RequestRefusedError(f"send {MAX_RECORDS} records at a time at most")
        engine = self._model.engine
        if math.prod(batch.shape[1:]) != math.prod(engine.input_shape):
            wanted = [-1, *engine.input_shape]
            raise RequestRefusedError(f"inputs[0].shape does not fit the model's {wanted}")
        if not np.can_cast(batch.dtype, engine.input_dtype, "same_kind"):
            raise RequestRefusedError(
                f"inputs[0].datatype does not fit the model's "
                f"{datatype_of(engine.input_dtype)}"
            )
        return batch.reshape(len(batch), *engine.input_shape)

    def _outputs(self, predictions: Array) -> dict[str, Array]:
        engine = self._model.engine
        if not isinstance(engine, EarlyExitEngine):
            return {OUTPUT: predictions}
        return {
            OUTPUT: predictions[:, : engine.answer_width],
            UPPER: predictions[:, engine.answer_width :],
        }


def _server() -> dict[str, Any]:
    return {"name": "kafka-ml", "version": version("inferencer"), "extensions": []}


def _object_of(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as e:
        raise RequestRefusedError(f"the body is not JSON: {e}") from e
    if not isinstance(content, dict):
        raise RequestRefusedError("the body is not an object")
    return content


def _wanted(outputs: Any, *, known: list[str]) -> list[str]:
    """Return the names of the outputs that are asked for; all if none is named."""
    if outputs is None or outputs == []:
        return known
    if not isinstance(outputs, list):
        raise RequestRefusedError("outputs is not a list")
    names = [each.get("name") if isinstance(each, dict) else None for each in outputs]
    if not all(name in known for name in names):
        raise RequestRefusedError(f"the model's outputs are {', '.join(known)}")
    return [name for name in known if name in names]
