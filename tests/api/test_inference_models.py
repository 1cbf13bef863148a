"""Which models an inference serves, and how they change while it does."""

from typing import Any

import httpx
import pytest

from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    ARTIFACT,
    ARTIFACT_SHA256,
    accepted,
    finished_training,
    new_inference,
    new_training,
    training_of,
)

CHANGED = "inference.models_changed inferences/1"


async def change(api: Actors, **models: Any) -> httpx.Response:
    return await api.editor.put("inferences/1/models", json=models)


async def order_of(api: Actors) -> Any:
    async with await api.attempt("kafkaml-inference-1-1") as replica:
        return accepted(await replica.get("attempts/current"))["inference"]


async def serve(api: Actors, revision: int, *, replica: int = 0) -> None:
    body = {"state": "serving", "replica": replica, "revision": revision}
    async with await api.attempt("kafkaml-inference-1-1") as inferencer:
        accepted(await inferencer.post("attempts/current/progress", json=body))


async def refuse(api: Actors, revision: int) -> Any:
    body = {"revision": revision, "reason": "no such layer"}
    async with await api.attempt("kafkaml-inference-1-1") as inferencer:
        accepted(await inferencer.post("attempts/current/refusal", json=body))
    return accepted(await api.viewer.get("inferences/1"))


async def test_other_models_are_a_new_revision(api: Actors, outbox: OutboxReader) -> None:
    first, second, third = [await finished_training(api) for _ in range(3)]
    inference = await new_inference(api, first)
    assert inference["models"] == {"primary": first, "canary": None, "shadow": None}
    assert (inference["revision"], inference["previous_models"]) == (1, None)

    canary, shadow = {"training_id": third, "share": 0.1}, {"training_id": first}
    response = await change(api, primary=second, canary=canary, shadow=shadow)

    assert response.status_code == 202
    changed = response.json()
    assert changed["models"] == {"primary": second, "canary": canary, "shadow": shadow}
    assert (changed["training_id"], changed["revision"]) == (second, 2)
    assert changed["previous_models"] == inference["models"]
    assert (await outbox.events())[-1] == CHANGED
    order = await order_of(api)
    assert (order["training_id"], order["revision"]) == (second, 2)
    assert (order["canary"]["training_id"], order["canary"]["share"]) == (third, 0.1)
    assert order["canary"]["artifact"]["sha256"] == ARTIFACT_SHA256
    assert order["canary"]["model_version"] == 1
    assert order["shadow"]["training_id"] == first
    assert order["shadow_topic"] == "digits-out.shadow"


async def test_the_same_models_again_are_no_change(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_inference(api, first := await finished_training(api))
    assert accepted(await change(api, primary=first))["revision"] == 1
    assert CHANGED not in await outbox.events()


async def test_a_shadow_has_a_topic_as_long_as_it_is_wanted(api: Actors) -> None:
    first, second = [await finished_training(api) for _ in range(2)]
    await new_inference(api, first)

    async def topics() -> list[str]:
        (workload,) = accepted(await api.orchestrator.get("workloads"))["items"]
        return [each["name"] for each in workload["topics"]]

    assert "digits-out.shadow" not in await topics()
    accepted(await change(api, primary=first, shadow={"training_id": second}))
    assert "digits-out.shadow" in await topics()
    accepted(await change(api, primary=first))
    assert "digits-out.shadow" not in await topics()


async def test_the_models_before_can_be_returned_to(api: Actors) -> None:
    first, second = [await finished_training(api) for _ in range(2)]
    before = await new_inference(api, first)
    response = await api.editor.post("inferences/1/rollback")
    assert (response.status_code, code_of(response)) == (409, "no-models-before")
    changed = accepted(await change(api, primary=second))

    back = accepted(await api.editor.post("inferences/1/rollback"))

    assert (back["models"], back["revision"]) == (before["models"], 3)
    assert back["previous_models"] == changed["models"]


async def test_models_that_no_replica_can_serve_are_taken_back(
    api: Actors, outbox: OutboxReader
) -> None:
    first, second = [await finished_training(api) for _ in range(2)]
    await new_inference(api, first)
    await serve(api, 1)
    accepted(await change(api, primary=second))

    seen = await refuse(api, 2)

    assert (seen["state"], seen["revision"]) == ("serving", 3)
    assert seen["models"]["primary"] == first
    assert seen["previous_models"] is None
    assert "no such layer" in seen["notice"]
    assert (await outbox.events()).count(CHANGED) == 2
    # A late report, and one of the models that there is nothing before.
    for revision in (2, 3):
        seen = await refuse(api, revision)
        assert (seen["revision"], seen["models"]["primary"]) == (3, first)


async def test_models_that_one_replica_serves_stay(api: Actors) -> None:
    first, second = [await finished_training(api) for _ in range(2)]
    await new_inference(api, first, replicas=2)
    await serve(api, 1, replica=0)
    accepted(await change(api, primary=second))
    await serve(api, 2, replica=1)

    seen = await refuse(api, 2)

    assert (seen["revision"], seen["models"]["primary"]) == (2, second)
    assert seen["serving_revisions"] == {"0": 1, "1": 2}
    assert "no such layer" in seen["notice"]
    accepted(await change(api, primary=first))
    assert accepted(await api.viewer.get("inferences/1"))["notice"] is None


async def test_each_file_of_the_models_can_be_fetched_and_no_other(api: Actors) -> None:
    first, second = [await finished_training(api) for _ in range(2)]
    await new_inference(api, first)
    accepted(await change(api, primary=first, shadow={"training_id": second}))
    async with await api.attempt("kafkaml-inference-1-1") as replica:
        query = {"sha256": ARTIFACT_SHA256}
        response = await replica.get("attempts/current/artifact", params=query)
        assert response.content == ARTIFACT
        query = {"sha256": "0" * 64}
        response = await replica.get("attempts/current/artifact", params=query)
        assert (response.status_code, code_of(response)) == (404, "format-missing")


@pytest.mark.parametrize("role", ["canary", "shadow"])
async def test_a_deployment_is_kept_while_a_model_of_it_is_served(
    api: Actors, role: str
) -> None:
    first, second = [await finished_training(api) for _ in range(2)]
    await new_inference(api, first)
    more = {"share": 0.5} if role == "canary" else {}
    accepted(await change(api, primary=first, **{role: {"training_id": second} | more}))
    deployment = (await training_of(api, second))["deployment_id"]

    response = await api.editor.delete(f"deployments/{deployment}")

    assert (response.status_code, code_of(response)) == (409, "in-use")
    accepted(await change(api, primary=first))
    accepted(await api.editor.delete(f"deployments/{deployment}"))
    response = await api.editor.post("inferences/1/rollback")
    assert (response.status_code, code_of(response)) == (404, "not-found")


async def test_what_cannot_be_served_is_refused(api: Actors) -> None:
    first = await finished_training(api)
    other_shape = await finished_training(api, input_shape=[5])
    unfinished = await new_training(api)
    await new_inference(api, first, early_exit={"limit": 0.5, "upper_topic": "upper"})
    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"primary": unfinished}, 409, "not-finished"),
        ({"primary": 99}, 422, "validation-failed"),
        ({"primary": other_shape}, 422, "validation-failed"),
        ({"primary": first, "shadow": {"training_id": first}}, 422, "validation-failed"),
        (
            {"primary": first, "canary": {"training_id": other_shape, "share": 1.0}},
            422,
            "validation-failed",
        ),
    ]
    for models, status, code in refused:
        response = await change(api, **models)
        assert (response.status_code, code_of(response)) == (status, code), models
    response = await change(
        api, primary=first, shadow={"training_id": await finished_training(api)}
    )
    assert "early exit" in response.text
    accepted(await api.editor.post("inferences/1/stop"))
    response = await change(api, primary=first)
    assert (response.status_code, code_of(response)) == (409, "inference-over")
