"""The files that a trained model has besides its own, and those of a failed training."""

import hashlib

import httpx
import pytest

from tests.api.actors import Actors
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    ARTIFACT,
    accepted,
    new_inference,
    new_training,
    put_artifact,
    result_report,
    trainer_of,
    training_of,
    upload,
)

LITERT, ONNX = b"PK litert", b"onnx"
FAILURE = {"reason": "diverged", "message": "the loss is not a number any more"}


def code_of(response: httpx.Response) -> str:
    return str(response.json()["type"].rsplit(":", 1)[-1])


async def exported_training(api: Actors) -> int:
    training_id = await new_training(api, exports=["litert", "onnx"])
    async with await trainer_of(api, training_id) as trainer:
        await upload(trainer)
        await upload(trainer, b"an earlier try", place="artifacts/litert")
        await upload(trainer, LITERT, place="artifacts/litert")
        await upload(trainer, ONNX, place="artifacts/onnx")
        accepted(await trainer.post("attempts/current/result", json=result_report()))
    return training_id


async def diverged_training(api: Actors) -> int:
    training_id = await new_training(api)
    async with await trainer_of(api, training_id) as trainer:
        accepted(
            await trainer.post("attempts/current/progress", json={"state": "training"})
        )
        await upload(trainer)
        accepted(await trainer.post("attempts/current/failure", json=FAILURE))
    return training_id


async def test_a_deployment_asks_for_exports(api: Actors) -> None:
    for wanted, ordered in (({}, ["litert"]), ({"exports": []}, [])):
        training_id = await new_training(api, **wanted)
        async with await trainer_of(api, training_id) as trainer:
            order = accepted(await trainer.get("attempts/current"))
        assert order["training"]["parameters"]["exports"] == ordered


@pytest.mark.parametrize("wanted", [["keras"], ["litert", "litert"], ["h5"], "litert"])
async def test_exports_that_make_no_sense_are_refused(api: Actors, wanted: object) -> None:
    body = {"configuration_id": 1, "exports": wanted}
    response = await api.editor.post("deployments", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["location"].startswith("body.exports")


async def test_every_format_is_shown_and_downloaded(api: Actors) -> None:
    training_id = await exported_training(api)
    shown = (await training_of(api, training_id))["artifacts"]
    files = {"keras": ARTIFACT, "litert": LITERT, "onnx": ONNX}
    assert {each["format"]: each["sha256"] for each in shown} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    names = set()
    for name, content in files.items():
        path = f"trainings/{training_id}/artifact"
        file = await api.viewer.get(path, params={"format": name})
        assert file.content == content
        assert file.headers["X-Content-SHA256"] == hashlib.sha256(content).hexdigest()
        names.add(file.headers["Content-Disposition"].partition(".")[2].strip('"'))
    assert names == {"keras", "litert.zip", "onnx"}


async def test_a_format_that_is_not_there_names_those_that_are(api: Actors) -> None:
    training_id = await exported_training(api)
    path = f"trainings/{training_id}/artifact"
    response = await api.viewer.get(path, params={"format": "saved_model"})
    assert (response.status_code, code_of(response)) == (404, "format-missing")
    detail = response.json()["detail"]
    assert f"training {training_id} has no saved_model file" in detail
    assert "it has keras and litert and onnx" in detail


async def test_an_inference_is_told_of_every_format(api: Actors) -> None:
    inference = await new_inference(api, await exported_training(api))
    async with await api.attempt(f"kafkaml-inference-{inference['id']}-1") as inferencer:
        order = accepted(await inferencer.get("attempts/current"))["inference"]
        file = await inferencer.get(
            "attempts/current/artifact", params={"format": "litert"}
        )
        missing = await inferencer.get(
            "attempts/current/artifact", params={"format": "saved_model"}
        )
    formats = [each["format"] for each in order["artifacts"]]
    assert formats == ["keras", "litert", "onnx"]
    assert order["artifact"] == order["artifacts"][0]
    assert file.content == LITERT
    assert (missing.status_code, code_of(missing)) == (404, "format-missing")


async def test_exports_of_an_earlier_attempt_do_not_count(api: Actors) -> None:
    training_id = await new_training(api)
    async with await trainer_of(api, training_id) as trainer:
        await upload(trainer, LITERT, place="artifacts/litert")
        failure = FAILURE | {"reason": "lost", "retryable": True}
        accepted(await trainer.post("attempts/current/failure", json=failure))
    async with await trainer_of(api, training_id) as trainer:
        await upload(trainer)
        accepted(await trainer.post("attempts/current/result", json=result_report()))
    shown = (await training_of(api, training_id))["artifacts"]
    assert [each["format"] for each in shown] == ["keras"]


async def test_an_export_that_is_too_large_or_of_no_known_format_is_refused(
    api: Actors,
) -> None:
    trainer = await trainer_of(api, await new_training(api))
    large = await put_artifact(trainer, b"x" * 1_000_001, place="artifacts/onnx")
    assert (large.status_code, code_of(large)) == (413, "body-too-large")
    unknown = await put_artifact(trainer, place="artifacts/h5")
    assert (unknown.status_code, code_of(unknown)) == (422, "validation-failed")


async def test_a_diverged_training_keeps_its_last_good_model(
    api: Actors, outbox: OutboxReader
) -> None:
    training_id = await diverged_training(api)
    training = await training_of(api, training_id)
    assert (training["state"], training["result"]) == ("failed", None)
    assert training["artifact"]["size_bytes"] == len(ARTIFACT)
    file = await api.viewer.get(f"trainings/{training_id}/artifact")
    assert file.content == ARTIFACT
    assert (await outbox.events())[-1] == f"training.failed trainings/{training_id}"


async def test_a_failed_training_is_not_served(api: Actors) -> None:
    body = {
        "training_id": await diverged_training(api),
        "input_topic": "digits-in",
        "output_topic": "digits-out",
    }
    response = await api.editor.post("inferences", json=body)
    assert (response.status_code, code_of(response)) == (409, "not-finished")


async def test_a_retry_begins_without_the_kept_model(api: Actors) -> None:
    training_id = await diverged_training(api)
    accepted(await api.editor.post(f"trainings/{training_id}/retry"))
    assert (await training_of(api, training_id))["artifact"] is None
