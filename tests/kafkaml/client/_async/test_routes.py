import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from kafkaml.client import AsyncClient
from kafkaml.schemas.attempts import (
    CheckReport,
    EpochReport,
    FailureReport,
    ProgressReport,
    ResultReport,
)
from kafkaml.schemas.datasources import DatasourceRecord
from kafkaml.schemas.models import ModelError
from kafkaml.schemas.states import (
    DatasourceState,
    FailureReason,
    InferenceState,
    TrainingState,
)
from kafkaml.schemas.tokens import Scope
from kafkaml.schemas.workloads import Observation, Phase
from tests.kafkaml.client import examples
from tests.kafkaml.client._async.conftest import Connect
from tests.kafkaml.client.fake_api import FakeApi, answer

URL = "http://api.test/base"

Ask = Callable[[AsyncClient], Any]

RECORD = DatasourceRecord(
    topic="t", partition=0, offset=1, timestamp_ms=2, key=None, value="e30="
)
RECORD_JSON = {
    "topic": "t",
    "partition": 0,
    "offset": 1,
    "timestamp_ms": 2,
    "key": None,
    "value": "e30=",
}

READING: list[tuple[Ask, str, Any]] = [
    (lambda c: c.models.get(1), "models/1", examples.MODEL),
    (lambda c: c.models.version(1, 2), "models/1/versions/2", examples.VERSION),
    (lambda c: c.configurations.get(2), "configurations/2", examples.CONFIGURATION),
    (lambda c: c.deployments.get(3), "deployments/3", examples.DEPLOYMENT),
    (lambda c: c.trainings.get(4), "trainings/4", examples.TRAINING),
    (lambda c: c.trainings.metrics(4), "trainings/4/metrics", examples.METRICS),
    (
        lambda c: c.trainings.metrics(4, attempt=2),
        "trainings/4/metrics?attempt=2",
        examples.METRICS,
    ),
    (
        lambda c: c.trainings.confusion_matrix(4),
        "trainings/4/confusion-matrix",
        examples.MATRIX,
    ),
    (lambda c: c.datasources.get(5), "datasources/5", examples.DATASOURCE),
    (lambda c: c.inferences.get(6), "inferences/6", examples.INFERENCE),
    (lambda c: c.tokens.current(), "tokens/current", examples.TOKEN),
    (lambda c: c.attempts.order(), "attempts/current", examples.ORDER),
    (lambda c: c.workloads.wanted(), "workloads", {"items": [examples.WORKLOAD]}),
]

CREATING: list[tuple[Ask, str, Any, Any]] = [
    (
        lambda c: c.models.create(name="digits", source="model = 1"),
        "models",
        {"name": "digits", "source": "model = 1"},
        examples.MODEL,
    ),
    (
        lambda c: c.models.add_version(1, source="model = 2"),
        "models/1/versions",
        {"source": "model = 2"},
        examples.VERSION,
    ),
    (
        lambda c: c.configurations.create(name="digits", model_ids=(1,)),
        "configurations",
        {"name": "digits", "model_ids": [1]},
        examples.CONFIGURATION,
    ),
    (
        lambda c: c.deployments.create(
            2, epochs=3, fit={"shuffle": False}, resources={"cpu": "2"}
        ),
        "deployments",
        {
            "configuration_id": 2,
            "epochs": 3,
            "fit": {"shuffle": False},
            "resources": {"cpu": "2"},
        },
        examples.DEPLOYMENT,
    ),
    (
        lambda c: c.inferences.create(training_id=4, input_topic="in", output_topic="out"),
        "inferences",
        {"training_id": 4, "input_topic": "in", "output_topic": "out"},
        examples.INFERENCE,
    ),
    (
        lambda c: c.tokens.create(
            name="x", scope=Scope.EDITOR, expires_at=datetime(2030, 1, 1, tzinfo=UTC)
        ),
        "tokens",
        {"name": "x", "scope": "editor", "expires_at": "2030-01-01T00:00:00Z"},
        {**examples.TOKEN, "secret": "kml_abc"},
    ),
    (
        lambda c: c.datasources.send(5, deployment_id=3, test_rate=0.5),
        "datasources/5/send",
        {"deployment_id": 3, "test_rate": 0.5},
        examples.DATASOURCE,
    ),
]

ACTING: list[tuple[Ask, str, str, Any, Any]] = [
    (
        lambda c: c.models.update(1, name="new"),
        "PATCH",
        "models/1",
        {"name": "new"},
        examples.MODEL,
    ),
    (
        lambda c: c.configurations.update(2, model_ids=[1]),
        "PATCH",
        "configurations/2",
        {"model_ids": [1]},
        examples.CONFIGURATION,
    ),
    (lambda c: c.trainings.stop(4), "POST", "trainings/4/stop", None, examples.TRAINING),
    (lambda c: c.trainings.retry(4), "POST", "trainings/4/retry", None, examples.TRAINING),
    (
        lambda c: c.datasources.record(RECORD),
        "POST",
        "datasources",
        RECORD_JSON,
        examples.DATASOURCE,
    ),
    (lambda c: c.inferences.stop(6), "POST", "inferences/6/stop", None, examples.INFERENCE),
    (
        lambda c: c.inferences.scale(6, 3),
        "POST",
        "inferences/6/scale",
        {"replicas": 3},
        examples.INFERENCE,
    ),
    (
        lambda c: c.workloads.token("kafkaml-training-4-1"),
        "POST",
        "workloads/kafkaml-training-4-1/token",
        None,
        {"token": "kml_x"},
    ),
]

REPORTING: list[tuple[Ask, str, Any]] = [
    (
        lambda c: c.workloads.observe(
            "kafkaml-check-1-1", Observation(phase=Phase.EXITED, exit_code=0)
        ),
        "workloads/kafkaml-check-1-1/observations",
        {"phase": "exited", "exit_code": 0},
    ),
    (
        lambda c: c.attempts.progress(ProgressReport(state="waiting")),
        "attempts/current/progress",
        {"state": "waiting"},
    ),
    (
        lambda c: c.attempts.epoch(EpochReport(epoch=1, values={"loss": None})),
        "attempts/current/epochs",
        {"epoch": 1, "values": {"loss": None}},
    ),
    (
        lambda c: c.attempts.check(CheckReport(error=ModelError(message="no", line=3))),
        "attempts/current/check",
        {"error": {"message": "no", "line": 3}},
    ),
    (
        lambda c: c.attempts.failure(
            FailureReport(reason=FailureReason.DIVERGED, message="NaN")
        ),
        "attempts/current/failure",
        {"reason": "diverged", "message": "NaN"},
    ),
    (
        lambda c: c.attempts.result(
            ResultReport(result=examples.RESULT, artifact_sha256=examples.SHA256)
        ),
        "attempts/current/result",
        {
            "result": examples.RESULT.model_dump(mode="json", exclude_defaults=True),
            "artifact_sha256": examples.SHA256,
        },
    ),
]

DELETING: list[tuple[Ask, str]] = [
    (lambda c: c.models.delete(1), "models/1"),
    (lambda c: c.configurations.delete(2), "configurations/2"),
    (lambda c: c.deployments.delete(3), "deployments/3"),
    (lambda c: c.inferences.delete(6), "inferences/6"),
    (lambda c: c.tokens.delete(7), "tokens/7"),
]

LISTING: list[tuple[Ask, str, Any]] = [
    (lambda c: c.models.list(), "models", examples.MODEL),
    (lambda c: c.models.versions(1), "models/1/versions", examples.VERSION),
    (lambda c: c.configurations.list(), "configurations", examples.CONFIGURATION),
    (lambda c: c.deployments.list(limit=1), "deployments?limit=1", examples.DEPLOYMENT),
    (
        lambda c: c.trainings.list(deployment_id=3, state=TrainingState.QUEUED),
        "trainings?deployment_id=3&state=queued",
        examples.TRAINING,
    ),
    (
        lambda c: c.datasources.list(deployment_id=3, state=DatasourceState.RECORDED),
        "datasources?deployment_id=3&state=recorded",
        examples.DATASOURCE,
    ),
    (
        lambda c: c.inferences.list(training_id=4, state=InferenceState.STARTING),
        "inferences?training_id=4&state=starting",
        examples.INFERENCE,
    ),
    (lambda c: c.tokens.list(), "tokens", examples.TOKEN),
]


def asked(api: FakeApi) -> tuple[str, str]:
    request = api.last
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["User-Agent"].startswith("kafkaml/")
    return request.method, str(request.url).removeprefix(f"{URL}/api/v1/")


def sent(api: FakeApi) -> Any:
    return json.loads(api.last.content) if api.last.content else None


@pytest.mark.parametrize(("ask", "path", "document"), READING)
async def test_reading(connect: Connect, ask: Ask, path: str, document: Any) -> None:
    api = FakeApi(answer(document))
    client = connect(URL, "secret", transport=api)
    assert await ask(client)
    assert asked(api) == ("GET", path)


@pytest.mark.parametrize(("ask", "path", "body", "document"), CREATING)
async def test_creating(
    connect: Connect, ask: Ask, path: str, body: Any, document: Any
) -> None:
    api = FakeApi(answer(document, 201))
    client = connect(URL, "secret", transport=api)
    assert await ask(client)
    assert asked(api) == ("POST", path)
    assert sent(api) == body
    assert api.last.headers["Idempotency-Key"]


@pytest.mark.parametrize(("ask", "method", "path", "body", "document"), ACTING)
async def test_acting(
    connect: Connect, ask: Ask, method: str, path: str, body: Any, document: Any
) -> None:
    api = FakeApi(answer(document, 202))
    client = connect(URL, "secret", transport=api)
    assert await ask(client)
    assert asked(api) == (method, path)
    assert sent(api) == body


@pytest.mark.parametrize(("ask", "path", "body"), REPORTING)
async def test_reporting(connect: Connect, ask: Ask, path: str, body: Any) -> None:
    api = FakeApi(httpx.Response(204))
    client = connect(URL, "secret", transport=api)
    assert await ask(client) is None
    assert asked(api) == ("POST", path)
    assert sent(api) == body


@pytest.mark.parametrize(("ask", "path"), DELETING)
async def test_deleting(connect: Connect, ask: Ask, path: str) -> None:
    api = FakeApi(httpx.Response(204))
    client = connect(URL, "secret", transport=api)
    assert await ask(client) is None
    assert asked(api) == ("DELETE", path)


@pytest.mark.parametrize(("ask", "path", "document"), LISTING)
async def test_listing(connect: Connect, ask: Ask, path: str, document: Any) -> None:
    api = FakeApi(answer({"items": [document], "next_cursor": None, "news": 1}))
    client = connect(URL, "secret", transport=api)
    assert len([each async for each in ask(client)]) == 1
    assert asked(api) == ("GET", path)


async def test_a_list_fetches_the_next_page_only_when_its_turn_comes(
    connect: Connect,
) -> None:
    api = FakeApi(
        answer({"items": [examples.TOKEN] * 2, "next_cursor": "a b&c"}),
        answer({"items": [examples.TOKEN]}),
    )
    client = connect(URL, "secret", transport=api)
    tokens = client.tokens.list(limit=2)
    await anext(tokens)
    await anext(tokens)
    assert len(api.requests) == 1
    await anext(tokens)
    assert dict(api.last.url.params) == {"limit": "2", "cursor": "a b&c"}
    assert [each async for each in tokens] == []


async def test_logs_are_text_and_bad_bytes_do_not_hide_the_rest(connect: Connect) -> None:
    api = FakeApi(httpx.Response(200, content=b"epoch 1 \xff"), httpx.Response(204))
    client = connect(URL, "secret", transport=api)
    assert await client.trainings.logs(4, attempt=1) == "epoch 1 \ufffd"
    assert asked(api) == ("GET", "trainings/4/logs?attempt=1")
    await client.workloads.put_logs("kafkaml-check-1-1", 0, "é".encode())
    assert asked(api) == ("PUT", "workloads/kafkaml-check-1-1/logs/0")
    assert api.last.content == "é".encode()
    assert api.last.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_logs_of_an_inference_are_those_of_one_replica_if_asked(
    connect: Connect,
) -> None:
    api = FakeApi(httpx.Response(200, text="ready"))
    client = connect(URL, "secret", transport=api)
    assert await client.inferences.logs(6, replica=1) == "ready"
    assert asked(api) == ("GET", "inferences/6/logs?replica=1")


async def test_a_deployment_of_a_later_api_is_read(connect: Connect) -> None:
    api = FakeApi(answer(examples.DEPLOYMENT))
    client = connect(URL, transport=api)
    deployment = await client.deployments.get(3)
    assert deployment.parameters.epochs == 3
    assert deployment.parameters.fit.shuffle is False
    assert deployment.trainings[0].state is TrainingState.QUEUED


async def test_environment_names_the_api(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_ML_URL", URL)
    monkeypatch.setenv("KAFKA_ML_TOKEN", "secret")
    api = FakeApi(answer(examples.MODEL))
    client = connect(transport=api)
    await client.models.get(1)
    assert asked(api) == ("GET", "models/1")
