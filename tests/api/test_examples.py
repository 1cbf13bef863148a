"""The examples of the documentation, sent as they are."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.api.actors import Actors
from tests.api.scenarios import CHECK, accepted, finish_check, finish_training


@pytest.fixture
def examples(shared_app: FastAPI) -> dict[str, Any]:
    """Return a body for each request: its example, else the examples of its fields."""
    schemas = shared_app.openapi()["components"]["schemas"]
    return {name: _example(schema) for name, schema in schemas.items()}


def _example(schema: dict[str, Any]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    fields = schema.get("properties", {})
    return {name: x["examples"][0] for name, x in fields.items() if "examples" in x}


async def test_the_whole_pipeline_runs_on_the_examples(
    api: Actors, examples: dict[str, Any]
) -> None:
    async def post(path: str, name: str) -> Any:
        return accepted(await api.admin.post(path, json=examples[name]))

    await post("tokens", "TokenCreate")
    await post("models", "ModelCreate")
    await finish_check(api, {"check": CHECK})
    await post("configurations", "ConfigurationCreate")
    deployment = await post("deployments", "DeploymentCreate")
    await finish_training(api, deployment["trainings"][0]["id"])
    inference = await post("inferences", "InferenceCreate")
    assert inference["input_format"] == "RAW"
    assert (await post("inferences/1/scale", "InferenceScale"))["replicas"] == 3
    accepted(await api.admin.patch("models/1", json=examples["ModelUpdate"]))
    body = examples["ConfigurationUpdate"]
    accepted(await api.admin.patch("configurations/1", json=body))
