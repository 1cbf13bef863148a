"""A replica's HTTP server around the engine of the tests."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from inferencer.answers import AnswerWriter
from inferencer.codecs import codec_of
from inferencer.dead_letters import DeadLetterWriter
from inferencer.drift import DriftWatch
from inferencer.health import Health
from inferencer.metrics import Metrics
from inferencer.model_counts import ModelCounts
from inferencer.models import Models
from inferencer.replies import Answering, ReplyMaker
from inferencer.rest.factory import build_routes
from inferencer.rest.server import http_server
from inferencer.served_model import ServedModel
from inferencer.testing import SumEngine
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.statistics import ModelRole
from tests.inferencer.orders import inference_order

KEY = "k" * 43
POISON = 666.0


@dataclass(frozen=True)
class Asked:
    """A server that can be asked, and what is behind it."""

    port: int
    health: Health
    metrics: Metrics
    model: ServedModel

    def get(self, path: str, key: str | None = KEY) -> tuple[int, Any]:
        return self._call(path, None, key)

    def post(self, path: str, body: Any, key: str | None = KEY) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._call(path, content, key)

    def _call(self, path: str, body: bytes | None, key: str | None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=body, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, _content(answer)
        except urllib.error.HTTPError as e:
            with e:
                return e.code, _content(e)


def _content(answer: Any) -> Any:
    body = answer.read()
    is_json = answer.headers["Content-Type"] == "application/json"
    return json.loads(body) if is_json else body.decode()


Ask = Callable[..., AbstractContextManager[Asked]]


@contextmanager
def _serve(
    order: InferenceOrder | None = None,
    *,
    engine: SumEngine | None = None,
    is_open: bool = False,
) -> Iterator[Asked]:
    order = order or inference_order()
    engine = engine or SumEngine(input_shape=tuple(order.input_shape), poison=POISON)
    health, metrics = Health(stuck_seconds=300), Metrics()
    codec = codec_of(order)
    counts = ModelCounts(role=ModelRole.PRIMARY, order=order)
    replies = ReplyMaker(
        codec=codec,
        primary=Answering(engine=engine, answers=AnswerWriter(order=order), counts=counts),
        dead_letters=DeadLetterWriter(topic=order.dead_letter_topic),
        metrics=metrics,
        drift=DriftWatch(),
    )
    version = f"{order.training_id}.{order.model_version}"
    model = ServedModel(
        Models(
            revision=1,
            version=version,
            engine=engine,
            replies=replies,
            asked=replies,
            counts=[counts],
        )
    )
    routes = build_routes(
        order=order,
        codec=codec,
        model=model,
        health=health,
        metrics=metrics,
        key=KEY,
        is_open=is_open,
    )
    with http_server(host="127.0.0.1", port=0, routes=routes) as port:
        assert port
        yield Asked(port=port, health=health, metrics=metrics, model=model)


@pytest.fixture
def serve() -> Ask:
    return _serve
