import hashlib
from datetime import datetime
from typing import Any

import pytest

from api.services.orders import CLOCK_TOLERANCE
from kafkaml.schemas.dead_letters import DeadLetterLimit
from kafkaml.schemas.statistics import DriftOptions
from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    ARTIFACT,
    ARTIFACT_SHA256,
    CHECK,
    RAW_STREAM,
    RESULT,
    accepted,
    finished_training,
    new_inference,
    new_model,
    new_training,
    observe,
    result_report,
    trainer_of,
    training_of,
    upload,
)

CURRENT = "attempts/current"


async def test_the_order_of_a_check_is_its_source(api: Actors) -> None:
    await new_model(api, source="model = 7")
    checker = await api.attempt("kafkaml-check-1-1")
    assert accepted(await checker.get(CURRENT)) == {
        "kind": "check",
        "attempt": 1,
        "source": "model = 7",
        "training": None,
        "inference": None,
    }


async def test_the_order_of_a_training_is_complete(api: Actors) -> None:
    training_id = await new_training(api, epochs=4, batch_size=16)
    order = accepted(await (await trainer_of(api, training_id)).get(CURRENT))
    deployment = accepted(await api.viewer.get("deployments/1"))
    assert (order["kind"], order["attempt"], order["source"]) == (
        "training",
        1,
        "model = 1",
    )
    since = datetime.fromisoformat(order["training"].pop("announced_since"))
    created = datetime.fromisoformat(deployment["created_at"])
    assert since == created - CLOCK_TOLERANCE
    assert order["training"] == {
        "training_id": training_id,
        "deployment_id": deployment["id"],
        "parameters": deployment["parameters"],
        "control_topic": deployment["control_topic"],
        "checkpoint": None,
        "is_to_finish": False,
    }


async def test_the_order_of_an_inference_is_complete(api: Actors) -> None:
    inference = await new_inference(api, start="latest")
    inferencer = await api.attempt("kafkaml-inference-1-1")
    order = accepted(await inferencer.get(CURRENT))
    artifact = {
        "format": "keras",
        "size_bytes": len(ARTIFACT),
        "sha256": ARTIFACT_SHA256,
    }
    assert order["kind"] == "inference"
    assert order["inference"] == {
        "inference_id": inference["id"],
        "training_id": inference["training_id"],
        "model_version": 1,
        "artifact": artifact,
        "artifacts": [artifact],
        "input_topic": "digits-in",
        "output_topic": "digits-out",
        "dead_letter_topic": "digits-out.dlq",
        "input_format": "RAW",
        "input_config": {"data_type": "uint8", "data_reshape": "8 8"},
        "input_shape": [8, 8],
        "start": "latest",
        "guarantee": "at_least_once",
        "output_format": "JSON",
        "output_config": {"data_type": "float32", "class_names": []},
        "input_cluster": None,
        "output_cluster": None,
        "early_exit": None,
        "engine": "auto",
        "gpu": 0,
        "revision": 1,
        "drift": DriftOptions().model_dump(mode="json"),
        "dead_letter_limit": DeadLetterLimit().model_dump(mode="json"),
        "is_paused": False,
        "resumptions": 0,
        "canary": None,
        "shadow": None,
        "shadow_topic": None,
    }
    served = await inferencer.get(f"{CURRENT}/artifact")
    assert served.content == ARTIFACT
    assert served.headers["X-Content-SHA256"] == ARTIFACT_SHA256


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "", {}),
    ("POST", "/progress", {"json": {"state": "training"}}),
    ("POST", "/epochs", {"json": {"epoch": 1, "values": {"loss": 1.0}}}),
    ("POST", "/result", {"json": result_report()}),
    ("POST", "/check", {"json": {"check": CHECK}}),
    ("POST", "/failure", {"json": {"reason": "diverged", "message": "m"}}),
    ("GET", "/artifact", {}),
    ("GET", "/checkpoint", {}),
    (
        "PUT",
        "/artifact",
        {
            "content": ARTIFACT,
            "headers": {
                "X-Content-SHA256": ARTIFACT_SHA256,
                "Content-Type": "application/octet-stream",
            },
        },
    ),
]


async def test_every_call_of_a_superseded_attempt_is_told_so(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    accepted(await observe(api, f"kafkaml-training-{training_id}-1", exit_code=5))
    before = await training_of(api, training_id)
    for method, path, arguments in CALLS:
        response = await trainer.request(method, CURRENT + path, **arguments)
        assert (response.status_code, code_of(response)) == (409, "attempt-over"), path
    assert await training_of(api, training_id) == before


async def test_every_call_of_a_stopped_attempt_is_told_so(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    accepted(await api.editor.post(f"trainings/{training_id}/stop"))
    for method, path, arguments in CALLS:
        if path == "/check":
            continue
        response = await trainer.request(method, CURRENT + path, **arguments)
        assert code_of(response) in {"attempt-over", "conflict"}, path
        assert response.status_code == 409
    assert (await training_of(api, training_id))["state"] == "stopped"


async def test_calls_for_another_kind_of_workload_are_refused(api: Actors) -> None:
    await new_model(api)
    checker = await api.attempt("kafkaml-check-1-1")
    for method, path, arguments in CALLS:
        if path in {"", "/check", "/failure", "/progress"}:
            continue
        response = await checker.request(method, CURRENT + path, **arguments)
        assert (response.status_code, code_of(response)) == (409, "conflict"), path


async def test_a_state_of_another_kind_is_refused(api: Actors) -> None:
    trainer = await trainer_of(api, await new_training(api))
    response = await trainer.post(f"{CURRENT}/progress", json={"state": "serving"})
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    response = await trainer.post(f"{CURRENT}/progress", json={"state": "finished"})
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


async def test_progress_never_goes_back(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    for state in ("training", "waiting", "training"):
        response = await trainer.post(f"{CURRENT}/progress", json={"state": state})
        assert response.status_code == 204
    assert (await training_of(api, training_id))["state"] == "training"


async def test_an_epoch_that_comes_twice_counts_once(
    api: Actors, outbox: OutboxReader
) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    for value in (0.5, 0.7):
        body = {"epoch": 1, "values": {"loss": value}}
        response = await trainer.post(f"{CURRENT}/epochs", json=body)
        assert response.status_code == 204
    shown = accepted(await api.viewer.get(f"trainings/{training_id}/metrics"))
    assert shown["epochs"] == [{"epoch": 1, "values": {"loss": 0.5}}]
    events = await outbox.events()
    assert events.count(f"training.progressed trainings/{training_id}") == 1


async def test_a_result_needs_its_artifact(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    response = await trainer.post(f"{CURRENT}/result", json=result_report())
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    assert response.json()["errors"][0]["location"] == "body.artifact_sha256"
    await upload(trainer, b"another file")
    response = await trainer.post(f"{CURRENT}/result", json=result_report())
    assert response.status_code == 422
    await upload(trainer)
    response = await trainer.post(f"{CURRENT}/result", json=result_report())
    assert response.status_code == 204


async def test_an_artifact_of_an_earlier_attempt_does_not_count(api: Actors) -> None:
    training_id = await new_training(api)
    await upload(await trainer_of(api, training_id))
    accepted(await observe(api, f"kafkaml-training-{training_id}-1", exit_code=5))
    trainer = await trainer_of(api, training_id)
    response = await trainer.post(f"{CURRENT}/result", json=result_report())
    assert response.status_code == 422


async def test_an_accepted_result_is_accepted_again_and_stays(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    await upload(trainer)
    accepted(await trainer.post(f"{CURRENT}/result", json=result_report()))
    before = await training_of(api, training_id)
    other = RESULT | {"training": {"loss": 99.0}}
    again = await trainer.post(f"{CURRENT}/result", json=result_report(result=other))
    assert again.status_code == 204
    assert await training_of(api, training_id) == before
    failure = {"reason": "diverged", "message": "m"}
    late = await trainer.post(f"{CURRENT}/failure", json=failure)
    assert (late.status_code, code_of(late)) == (409, "attempt-over")
    model = result_report(artifact_sha256="0" * 64)
    late = await trainer.post(f"{CURRENT}/result", json=model)
    assert (late.status_code, code_of(late)) == (409, "attempt-over")


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_numbers_that_are_not_finite_are_refused(api: Actors, bad: str) -> None:
    trainer = await trainer_of(api, await new_training(api))
    response = await trainer.post(
        f"{CURRENT}/epochs",
        content=f'{{"epoch": 1, "values": {{"loss": {bad}}}}}',
        headers={"Content-Type": "application/json"},
    )
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


async def test_a_file_with_another_digest_is_refused(api: Actors) -> None:
    trainer = await trainer_of(api, await new_training(api))
    headers = {"Content-Type": "application/octet-stream"}
    path = f"{CURRENT}/artifact"
    wrong = await trainer.put(
        path, content=b"x", headers=headers | {"X-Content-SHA256": ARTIFACT_SHA256}
    )
    assert (wrong.status_code, code_of(wrong)) == (422, "digest-mismatch")
    for digest in ("", "zz", ARTIFACT_SHA256.upper()):
        bad = await trainer.put(
            path, content=b"x", headers=headers | {"X-Content-SHA256": digest}
        )
        assert (bad.status_code, code_of(bad)) == (422, "validation-failed")
    missing = await trainer.put(path, content=b"x", headers=headers)
    assert code_of(missing) == "validation-failed"


async def test_a_file_that_is_too_large_is_refused(api: Actors) -> None:
    trainer = await trainer_of(api, await new_training(api))
    content = b"x" * 1_000_001
    response = await trainer.put(
        f"{CURRENT}/artifact",
        content=content,
        headers={
            "X-Content-SHA256": hashlib.sha256(content).hexdigest(),
            "Content-Type": "application/octet-stream",
        },
    )
    assert (response.status_code, code_of(response)) == (413, "body-too-large")


async def test_a_failure_for_good_is_shown_as_reported(
    api: Actors, outbox: OutboxReader
) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    failure = {"reason": "data_short", "message": "90 of 100 records came"}
    for _ in range(2):
        response = await trainer.post(f"{CURRENT}/failure", json=failure)
        assert response.status_code == 204
    training = await training_of(api, training_id)
    assert (training["state"], training["failure"]) == ("failed", failure)
    events = await outbox.events()
    assert events.count(f"training.failed trainings/{training_id}") == 1


async def test_a_failure_that_may_pass_is_tried_again_as_often_as_it_may(
    api: Actors,
) -> None:
    training_id = await new_training(api, max_attempts=2)
    failure = {"reason": "platform", "message": "Kafka is away", "retryable": True}
    trainer = await trainer_of(api, training_id)
    accepted(await trainer.post(f"{CURRENT}/failure", json=failure))
    training = await training_of(api, training_id)
    assert (training["state"], training["attempt"]) == ("queued", 2)
    trainer = await trainer_of(api, training_id)
    accepted(await trainer.post(f"{CURRENT}/failure", json=failure))
    training = await training_of(api, training_id)
    assert (training["state"], training["failure"]["reason"]) == ("failed", "platform")
    assert "Kafka is away" in training["failure"]["message"]


async def test_a_check_reports_one_outcome_once(api: Actors) -> None:
    model_id = await new_model(api)
    checker = await api.attempt("kafkaml-check-1-1")
    error = {"message": "no"}
    neither: dict[str, Any] = {}
    both: dict[str, Any] = {"check": CHECK, "error": error}
    for body in (neither, both):
        response = await checker.post(f"{CURRENT}/check", json=body)
        assert (response.status_code, code_of(response)) == (422, "validation-failed")
    for outcome in ({"check": CHECK}, {"error": error}):
        accepted(await checker.post(f"{CURRENT}/check", json=outcome))
    version = accepted(await api.viewer.get(f"models/{model_id}"))["version"]
    assert version["state"] == "valid"


@pytest.mark.parametrize("retryable", [True, False])
async def test_a_check_can_give_up(api: Actors, *, retryable: bool) -> None:
    model_id = await new_model(api)
    checker = await api.attempt("kafkaml-check-1-1")
    failure = {"reason": "oom", "message": "too big", "retryable": retryable}
    accepted(await checker.post(f"{CURRENT}/failure", json=failure))
    version = accepted(await api.viewer.get(f"models/{model_id}"))["version"]
    assert version["state"] == ("checking" if retryable else "invalid")


@pytest.mark.parametrize("retryable", [True, False])
async def test_an_inference_can_give_up(api: Actors, *, retryable: bool) -> None:
    inference = await new_inference(api)
    inferencer = await api.attempt("kafkaml-inference-1-1")
    failure = {"reason": "artifact", "message": "cannot load", "retryable": retryable}
    accepted(await inferencer.post(f"{CURRENT}/failure", json=failure))
    shown = accepted(await api.viewer.get(f"inferences/{inference['id']}"))
    assert shown["state"] == ("starting" if retryable else "failed")
    if not retryable:
        assert shown["failure"] == {"reason": "artifact", "message": "cannot load"}
        again = await inferencer.post(f"{CURRENT}/failure", json=failure)
        assert again.status_code == 204


async def test_a_large_confusion_matrix_is_accepted(api: Actors) -> None:
    trainer = await trainer_of(api, await new_training(api))
    await upload(trainer)
    size = 600
    matrix = {
        "labels": [str(each) for each in range(size)],
        "matrix": [[123456] * size for _ in range(size)],
        "part": "test",
    }
    report = result_report(confusion_matrix=matrix)
    assert (await trainer.post(f"{CURRENT}/result", json=report)).status_code == 204


async def test_the_stream_of_a_result_may_have_any_fields(api: Actors) -> None:
    stream = RAW_STREAM | {"made_by": {"device": [1, 2.5, None]}}
    training_id = await finished_training(api, stream=stream)
    training = await training_of(api, training_id)
    assert training["result"]["stream"] == stream
