"""Requests that a machine makes up from the OpenAPI document: none may break the API."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounded
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import (
    CheckContext,
    CheckFunction,
    not_a_server_error,
)
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.config import ApiSettings
from api.factory import build_components
from kafkaml_local.ports import free_port
from tests.api.actors import (
    ADMIN_SECRET,
    CONTROL_LOGGER_SECRET,
    ORCHESTRATOR_SECRET,
    Actors,
)
from tests.api.scenarios import new_inference, new_training, trainer_of

EXAMPLES = int(os.environ.get("KAFKA_ML_TEST_EXAMPLES", "6"))
START_SECONDS = 20
CALL_SECONDS = 10
UNAVAILABLE = ("unavailable", "no-replica")


def not_a_mistake(context: CheckContext, response: Any, case: Any) -> bool | None:
    """Refuse errors of the server; but there is no Kafka here, and no replica."""
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        assert response.json()["type"].rpartition(":")[2] in UNAVAILABLE
        return None
    return not_a_server_error(context, response, case)


CHECKS: list[CheckFunction] = [
    not_a_mistake,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def server_url(
    shared_app: FastAPI, settings: ApiSettings, tmp_path: Path
) -> Iterator[tuple[str, str]]:
    """The URL of a server with a training and an inference, and an attempt's secret."""
    stored = settings.model_copy(update={"artifacts_url": tmp_path.as_uri()})
    secret = asyncio.run(_prepare(shared_app, stored))
    shared_app.state.components = build_components(stored)
    with _serving(shared_app) as url:
        yield url, secret


async def _prepare(app: FastAPI, settings: ApiSettings) -> str:
    app.state.components = build_components(settings)
    async with app.router.lifespan_context(app), Actors.of(app) as api:
        await new_inference(api)
        trainer = await trainer_of(api, await new_training(api))
        return str(trainer.headers["Authorization"]).removeprefix("Bearer ")


@contextmanager
def _serving(app: FastAPI) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)


def _secret_for(path: str, method: str, attempt_secret: str) -> str:
    if "/attempts/" in path:
        return attempt_secret
    if "/workloads" in path:
        return ORCHESTRATOR_SECRET
    if (method, path) == ("post", "/api/v1/datasources"):
        return CONTROL_LOGGER_SECRET
    return ADMIN_SECRET


# The server in its thread draws delays while Hypothesis watches the random module.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_breaks_the_api(
    shared_app: FastAPI, server_url: tuple[str, str], mode: GenerationMode
) -> None:
    url, attempt_secret = server_url
    schema = schemathesis.openapi.from_dict(shared_app.openapi())
    for result in schema.exclude(path_regex="/events|/metrics").get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        secret = _secret_for(operation.path, operation.method, attempt_secret)
        _try_operation(
            operation, mode, url=url, headers={"Authorization": f"Bearer {secret}"}
        )


def _try_operation(
    operation: Any, mode: GenerationMode, *, url: str, headers: Mapping[str, str]
) -> None:
    @bounded(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def send(case: Any) -> None:
        response = case.call(base_url=url, headers=dict(headers), timeout=CALL_SECONDS)
        case.validate_response(response, checks=CHECKS)

    with suppress(Unsatisfiable):  # an operation without parameters has no wrong ones
        send()
