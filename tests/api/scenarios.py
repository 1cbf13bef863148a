"""The steps of the pipeline, as far as a test needs them."""

import hashlib
import itertools
from typing import Any

import httpx

from tests.api.actors import Actors

ARTIFACT = b"PK\x03\x04 not really a .keras file"
ARTIFACT_SHA256 = hashlib.sha256(ARTIFACT).hexdigest()

CHECK = {
    "summary": "Model: sequential",
    "input_shapes": [[8, 8]],
    "output_shapes": [[10]],
    "parameter_count": 4810,
}
RAW_STREAM = {
    "deployment_id": 1,
    "topic": "digits:0:0:100",
    "input_format": "RAW",
    "input_config": {
        "data_type": "uint8",
        "data_reshape": "8 8",
        "label_type": "uint8",
        "label_reshape": None,
    },
}
RESULT = {
    "training": {"loss": 0.25, "accuracy": 0.9},
    "test": {"loss": None},
    "counts": {"training": 80, "validation": 0, "test": 20},
    "timings": {
        "build": 1.5,
        "read": 0.1,
        "first_step": 0.4,
        "fit": 2.0,
        "evaluate": 0.1,
        "total": 4.1,
    },
    "stream": RAW_STREAM,
    "input_shape": [8, 8],
}
MATRIX = {"labels": ["0", "1"], "matrix": [[9, 1], [0, 10]], "part": "test"}

_numbers = itertools.count(1)


def accepted(response: httpx.Response) -> Any:
    """Return the body of an answer that must be a success."""
    assert response.is_success, response.text
    return response.json() if response.content else None


async def new_model(api: Actors, **fields: Any) -> int:
    """Return the id of a model whose check has not begun."""
    body = {"name": f"model-{next(_numbers)}", "source": "model = 1"} | fields
    return int(accepted(await api.editor.post("models", json=body))["id"])


async def valid_model(api: Actors, **fields: Any) -> int:
    """Return the id of a model that has passed its check."""
    model_id = await new_model(api, **fields)
    await finish_check(api, {"check": CHECK})
    return model_id


async def finish_check(api: Actors, report: dict[str, Any]) -> None:
    """Report the outcome of the checks that are wanted."""
    for item in accepted(await api.orchestrator.get("workloads"))["items"]:
        if item["kind"] == "check":
            async with await api.attempt(item["name"]) as checker:
                accepted(await checker.post("attempts/current/check", json=report))


async def new_configuration(api: Actors, *model_ids: int) -> int:
    """Return the id of a configuration of models, by default of one that is valid."""
    ids = list(model_ids) or [await valid_model(api)]
    body = {"name": f"configuration-{next(_numbers)}", "model_ids": ids}
    return int(accepted(await api.editor.post("configurations", json=body))["id"])


async def new_deployment(api: Actors, *model_ids: int, **parameters: Any) -> Any:
    """Return a deployment, by default of one valid model."""
    body = {"configuration_id": await new_configuration(api, *model_ids)} | parameters
    return accepted(await api.editor.post("deployments", json=body))


async def new_training(api: Actors, **parameters: Any) -> int:
    """Return the id of a queued training."""
    deployment = await new_deployment(api, **parameters)
    return int(deployment["trainings"][0]["id"])


async def training_of(api: Actors, training_id: int) -> Any:
    """Return a training as a user sees it."""
    return accepted(await api.viewer.get(f"trainings/{training_id}"))


async def trainer_of(api: Actors, training_id: int) -> httpx.AsyncClient:
    """Return a trainer of the present attempt."""
    attempt = (await training_of(api, training_id))["attempt"]
    return await api.attempt(f"kafkaml-training-{training_id}-{attempt}")


async def put_artifact(
    trainer: httpx.AsyncClient, content: bytes = ARTIFACT, *, place: str = "artifact"
) -> httpx.Response:
    """Try to upload an artifact; an export has the place `artifacts/<format>`."""
    headers = {
        "X-Content-SHA256": hashlib.sha256(content).hexdigest(),
        "Content-Type": "application/octet-stream",
    }
    path = f"attempts/current/{place}"
    return await trainer.put(path, content=content, headers=headers)


async def upload(
    trainer: httpx.AsyncClient, content: bytes = ARTIFACT, *, place: str = "artifact"
) -> Any:
    """Upload an artifact, or an export."""
    return accepted(await put_artifact(trainer, content, place=place))


def result_report(**fields: Any) -> dict[str, Any]:
    """Return the report of a result."""
    return {
        "result": RESULT,
        "confusion_matrix": MATRIX,
        "artifact_sha256": ARTIFACT_SHA256,
    } | fields


async def finished_training(api: Actors, **result: Any) -> int:
    """Return the id of a training with an accepted result."""
    training_id = await new_training(api)
    await finish_training(api, training_id, **result)
    return training_id


async def finish_training(api: Actors, training_id: int, **result: Any) -> None:
    """Bring a training to its accepted result."""
    async with await trainer_of(api, training_id) as trainer:
        await upload(trainer)
        report = result_report(result=RESULT | result)
        accepted(await trainer.post("attempts/current/result", json=report))


async def new_inference(api: Actors, training_id: int | None = None, **fields: Any) -> Any:
    """Return an inference, by default of a finished training."""
    body = {
        "training_id": training_id or await finished_training(api),
        "input_topic": "digits-in",
        "output_topic": "digits-out",
    }
    return accepted(await api.editor.post("inferences", json=body | fields))


async def observe(api: Actors, name: str, **seen: Any) -> httpx.Response:
    """Tell that a replica has exited, or what else was seen of it."""
    body = {"phase": "exited"} | seen
    return await api.orchestrator.post(f"workloads/{name}/observations", json=body)
