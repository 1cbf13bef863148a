"""Trainings of streams without an end: what they publish, and how they are finished."""

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.components import Components
from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    ARTIFACT,
    RAW_STREAM,
    accepted,
    finish_training,
    new_inference,
    new_training,
    trainer_of,
    training_of,
    upload,
)

STREAM = RAW_STREAM | {"topic": "digits", "incremental": True}
SECOND = b"a better model"


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def report(content: bytes, **fields: Any) -> dict[str, Any]:
    return {
        "artifact_sha256": digest_of(content),
        "epoch": 3,
        "values": {"val_loss": 0.5},
        "stream": STREAM,
        "input_shape": [8, 8],
    } | fields


async def publish(trainer: httpx.AsyncClient, content: bytes, **fields: Any) -> None:
    await upload(trainer, content)
    body = report(content, **fields)
    accepted(await trainer.post("attempts/current/improvements", json=body))


async def endless(api: Actors) -> int:
    training_id = await new_training(api, incremental={})
    async with await trainer_of(api, training_id) as trainer:
        state = {"state": "training"}
        accepted(await trainer.post("attempts/current/progress", json=state))
    return training_id


async def test_a_better_model_is_there_while_the_training_goes_on(
    api: Actors, outbox: OutboxReader
) -> None:
    training_id = await endless(api)
    async with await trainer_of(api, training_id) as trainer:
        await publish(trainer, ARTIFACT)
        again = report(ARTIFACT)
        accepted(await trainer.post("attempts/current/improvements", json=again))
    shown = await training_of(api, training_id)
    assert shown["state"] == "training"
    assert shown["improvement"]["number"] == 1
    assert shown["improvement"]["values"] == {"val_loss": 0.5}
    assert shown["artifact"]["size_bytes"] == len(ARTIFACT)
    file = await api.viewer.get(f"trainings/{training_id}/artifact")
    assert file.content == ARTIFACT
    told = [each for each in await outbox.events() if "improved" in each]
    assert told == [f"training.improved trainings/{training_id}"]


async def test_an_inference_keeps_the_model_that_it_began_with(api: Actors) -> None:
    training_id = await endless(api)
    body = {"training_id": training_id, "input_topic": "in", "output_topic": "out"}
    refused = await api.editor.post("inferences", json=body)
    assert code_of(refused) == "not-finished"
    async with await trainer_of(api, training_id) as trainer:
        await publish(trainer, ARTIFACT)
        inference = await new_inference(api, training_id)
        await publish(trainer, SECOND, epoch=7)
    async with await api.attempt(f"kafkaml-inference-{inference['id']}-1") as replica:
        order = accepted(await replica.get("attempts/current"))["inference"]
        assert order["artifact"]["sha256"] == digest_of(ARTIFACT)
        assert order["input_shape"] == [8, 8]
        assert (await replica.get("attempts/current/artifact")).content == ARTIFACT
    newest = await api.viewer.get(f"trainings/{training_id}/artifact")
    assert newest.content == SECOND
    later = await new_inference(api, training_id, input_topic="in-2", output_topic="out-2")
    async with await api.attempt(f"kafkaml-inference-{later['id']}-1") as replica:
        assert (await replica.get("attempts/current/artifact")).content == SECOND


async def test_what_is_published_outlives_a_loss_and_a_stop(api: Actors) -> None:
    training_id = await endless(api)
    async with await trainer_of(api, training_id) as trainer:
        await publish(trainer, ARTIFACT)
        lost = {"reason": "lost", "message": "gone", "retryable": True}
        accepted(await trainer.post("attempts/current/failure", json=lost))
    assert (await training_of(api, training_id))["artifact"] is not None
    accepted(await api.editor.post(f"trainings/{training_id}/stop"))
    shown = await training_of(api, training_id)
    assert shown["state"] == "stopped"
    assert shown["artifact"] is not None
    await new_inference(api, training_id)


@pytest.fixture
def components(app: FastAPI) -> Components:
    found = app.state.components
    assert isinstance(found, Components)
    return found


async def digests(components: Components) -> set[str]:
    """Return the names of all artifacts in the store."""
    return {Path(each.key).stem async for each in components.artifacts.list("artifacts")}


async def test_the_result_takes_the_place_of_what_was_published(
    api: Actors, components: Components
) -> None:
    served = await endless(api)
    async with await trainer_of(api, served) as trainer:
        await publish(trainer, b"served")
        await new_inference(api, served)
        await publish(trainer, SECOND)
    assert await digests(components) == {digest_of(b"served"), digest_of(SECOND)}
    await finish_training(api, served)
    assert await digests(components) == {digest_of(b"served"), digest_of(ARTIFACT)}


async def test_a_result_that_was_published_stays(
    api: Actors, components: Components
) -> None:
    training_id = await endless(api)
    async with await trainer_of(api, training_id) as trainer:
        await publish(trainer, ARTIFACT)
    await finish_training(api, training_id)
    assert await digests(components) == {digest_of(ARTIFACT)}


async def test_it_is_finished_by_its_trainer_when_a_user_says_so(api: Actors) -> None:
    training_id = await endless(api)
    shown = accepted(await api.editor.post(f"trainings/{training_id}/finish"))
    assert shown["state"] == "training"
    async with await trainer_of(api, training_id) as trainer:
        order = accepted(await trainer.get("attempts/current"))["training"]
    assert order["is_to_finish"]
    await finish_training(api, training_id)
    again = accepted(await api.editor.post(f"trainings/{training_id}/finish"))
    assert again["state"] == "finished"


async def test_finishing_needs_a_stream_without_an_end(api: Actors) -> None:
    bounded = await new_training(api)
    refused = await api.editor.post(f"trainings/{bounded}/finish")
    assert (refused.status_code, code_of(refused)) == (409, "stream-ends")
    waiting = await new_training(api, incremental={})
    shown = accepted(await api.editor.post(f"trainings/{waiting}/finish"))
    assert shown["state"] == "stopped"  # there is nothing to hand in


async def test_options_that_need_an_end_are_refused(api: Actors) -> None:
    body = {"configuration_id": 1, "incremental": {}, "folds": 3}
    response = await api.editor.post("deployments", json=body)
    assert response.status_code == 422
    assert "without folds" in response.text


async def test_only_what_was_uploaded_is_published(api: Actors) -> None:
    training_id = await endless(api)
    async with await trainer_of(api, training_id) as trainer:
        body = report(SECOND)
        refused = await trainer.post("attempts/current/improvements", json=body)
    assert refused.status_code == 422
