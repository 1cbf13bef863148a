"""The documentation: complete enough to drive the pipeline from it alone, and offline."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from tests.api.actors import BASE_URL, Actors

ROOT = BASE_URL.removesuffix("/api/v1/")
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(shared_app: FastAPI) -> dict[str, Any]:
    return shared_app.openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


async def test_the_pages_need_no_other_server(api: Actors) -> None:
    for page in ("/docs", "/redoc"):
        text = (await api.anonymous.get(ROOT + page)).text
        assert not re.findall(r'(?:src|href)="https?://', text)
        for asset in re.findall(r'(?:src|href)="(/[^"]+)"', text):
            assert (await api.anonymous.get(ROOT + asset)).status_code == 200


def test_tags_are_in_the_order_of_the_pipeline(document: dict[str, Any]) -> None:
    names = [each["name"] for each in document["tags"]]
    assert names[:6] == [
        "models",
        "configurations",
        "deployments",
        "datasources",
        "trainings",
        "inferences",
    ]
    used = {tag for _, each in operations(document) for tag in each["tags"]}
    assert used == set(names)


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    summaries = [each["summary"] for _, each in operations(document)]
    assert len(summaries) == len(set(summaries))
    identifiers = [each["operationId"] for _, each in operations(document)]
    assert len(identifiers) == len(set(identifiers))


def test_every_guarded_operation_has_the_authorize_button(document: dict[str, Any]) -> None:
    scheme = document["components"]["securitySchemes"]["HTTPBearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for name, operation in operations(document):
        assert ("security" in operation) == ("/api/v1/" in name), name


def test_every_error_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert set(response["content"]) == {"application/problem+json"}, name
        if "security" in operation:
            assert {"401", "403", "503"} <= set(operation["responses"])
    problem = document["components"]["schemas"]["Problem"]
    assert {"type", "title", "status", "detail", "errors"} <= set(problem["properties"])


def test_the_steps_of_the_pipeline_have_examples(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, fields in {
        "ModelCreate": ["name", "source"],
        "ConfigurationCreate": ["name", "model_ids"],
        "DeploymentCreate": ["configuration_id"],
        "DatasourceSend": ["deployment_id"],
        "InferenceCreate": ["training_id", "input_topic", "output_topic"],
        "TokenCreate": ["name", "scope"],
    }.items():
        for field in fields:
            assert schemas[name]["properties"][field]["examples"], (name, field)
