"""What keeps something from running, as people are told."""

from typing import Any

import orjson
import pytest

from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    CHECK,
    RESULT,
    accepted,
    finish_check,
    new_inference,
    new_model,
    new_training,
    observe,
    result_report,
    trainer_of,
    training_of,
    upload,
)

FULL = "0/3 nodes are available: 3 Insufficient memory."
INFERENCE = "kafkaml-inference-1-1"


async def is_pending(api: Actors, name: str, message: str = FULL, **seen: Any) -> None:
    response = await observe(api, name, phase="pending", message=message, **seen)
    assert response.status_code == 204, response.text


async def is_running(api: Actors, name: str, **seen: Any) -> None:
    response = await observe(api, name, phase="running", **seen)
    assert response.status_code == 204, response.text


async def delayed_training(api: Actors, **parameters: Any) -> tuple[int, str]:
    """Return the id of a training that waits for a machine, and its workload's name."""
    training_id = await new_training(api, **parameters)
    name = f"kafkaml-training-{training_id}-1"
    await is_pending(api, name)
    return training_id, name


async def inference_of(api: Actors) -> Any:
    return accepted(await api.viewer.get("inferences/1"))


async def test_what_keeps_a_training_from_running_is_shown(
    api: Actors, outbox: OutboxReader
) -> None:
    before = await training_of(api, await new_training(api))
    name = f"kafkaml-training-{before['id']}-1"
    assert before["notice"] is None
    await is_pending(api, name)
    assert await training_of(api, before["id"]) == before | {"notice": FULL}
    await is_running(api, name)
    assert await training_of(api, before["id"]) == before
    told = f"training.noticed trainings/{before['id']}"
    assert (await outbox.events())[-2:] == [told, told]


async def test_the_event_carries_the_notice(api: Actors, outbox: OutboxReader) -> None:
    training_id, name = await delayed_training(api)
    await is_running(api, name)
    put, taken = [orjson.loads(each) for each in (await outbox.values())[-2:]]
    training = await training_of(api, training_id)
    expected = {
        "id": training_id,
        "deployment_id": training["deployment_id"],
        "attempt": 1,
        "notice": FULL,
    }
    assert put == expected
    assert taken == expected | {"notice": None}


async def test_the_same_notice_again_writes_nothing(
    api: Actors, outbox: OutboxReader
) -> None:
    _, name = await delayed_training(api)
    before = await outbox.versions("training"), await outbox.events()
    await is_pending(api, name)
    await is_pending(api, name, f"  {FULL}\n")
    await is_pending(api, name, message="")
    assert (await outbox.versions("training"), await outbox.events()) == before
    await is_pending(api, name, "another reason")
    assert (await outbox.versions("training"), await outbox.events()) != before


async def test_that_nothing_keeps_it_any_more_is_told_once(
    api: Actors, outbox: OutboxReader
) -> None:
    _, name = await delayed_training(api)
    await is_running(api, name)
    before = await outbox.versions("training"), await outbox.events()
    await is_running(api, name)
    assert (await outbox.versions("training"), await outbox.events()) == before


async def test_a_token_alone_takes_no_notice_away(api: Actors) -> None:
    training_id, _ = await delayed_training(api)
    await trainer_of(api, training_id)
    training = await training_of(api, training_id)
    assert (training["state"], training["notice"]) == ("starting", FULL)


@pytest.mark.parametrize("state", ["waiting", "training"])
async def test_a_trainer_that_goes_on_takes_the_notice_away(
    api: Actors, state: str
) -> None:
    training_id, _ = await delayed_training(api)
    trainer = await trainer_of(api, training_id)
    accepted(await trainer.post("attempts/current/progress", json={"state": state}))
    training = await training_of(api, training_id)
    assert (training["state"], training["notice"]) == (state, None)


async def test_a_result_takes_the_notice_away(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    body = {"state": "training"}
    accepted(await trainer.post("attempts/current/progress", json=body))
    await is_pending(api, f"kafkaml-training-{training_id}-1")
    await upload(trainer)
    report = result_report(result=RESULT)
    accepted(await trainer.post("attempts/current/result", json=report))
    training = await training_of(api, training_id)
    assert (training["state"], training["notice"]) == ("finished", None)


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ({"exit_code": 3}, "failed"),
        ({"exit_code": 143}, "queued"),
        ({"exit_code": 5}, "queued"),
        ({"phase": "blocked", "reason": "unschedulable"}, "failed"),
    ],
)
async def test_an_end_takes_the_notice_away(
    api: Actors, seen: dict[str, Any], state: str
) -> None:
    training_id, name = await delayed_training(api)
    accepted(await observe(api, name, **seen))
    training = await training_of(api, training_id)
    assert (training["state"], training["notice"]) == (state, None)


async def test_a_stop_takes_the_notice_away(api: Actors) -> None:
    training_id, _ = await delayed_training(api)
    stopped = accepted(await api.editor.post(f"trainings/{training_id}/stop"))
    assert (stopped["state"], stopped["notice"]) == ("stopped", None)


@pytest.mark.parametrize("phase", ["pending", "running"])
async def test_what_is_seen_late_changes_nothing(
    api: Actors, outbox: OutboxReader, phase: str
) -> None:
    training_id, name = await delayed_training(api)
    accepted(await observe(api, name, exit_code=143))
    events = await outbox.events()
    late = await observe(api, name, phase=phase, message=FULL)
    assert code_of(late) == "workload-not-current"
    accepted(await api.editor.post(f"trainings/{training_id}/stop"))
    before = await training_of(api, training_id)
    name = f"kafkaml-training-{training_id}-2"
    seen = await observe(api, name, phase=phase, message=FULL)
    assert seen.status_code == 204
    assert await training_of(api, training_id) == before
    assert before["notice"] is None
    assert await outbox.events() == [*events, f"training.stopped trainings/{training_id}"]


async def test_what_keeps_a_check_from_running_is_shown(
    api: Actors, outbox: OutboxReader
) -> None:
    model_id = await new_model(api)
    await is_pending(api, "kafkaml-check-1-1")
    version = accepted(await api.viewer.get(f"models/{model_id}"))["version"]
    assert (version["state"], version["notice"]) == ("checking", FULL)
    assert (await outbox.events())[-1] == f"model.noticed models/{model_id}"
    accepted(await observe(api, "kafkaml-check-1-1", exit_code=143))
    version = accepted(await api.viewer.get(f"models/{model_id}"))["version"]
    assert (version["state"], version["notice"]) == ("checking", None)
    assert (await outbox.events())[-2:] == [f"model.noticed models/{model_id}"] * 2


@pytest.mark.parametrize("report", [{"check": CHECK}, {"error": {"message": "no model"}}])
async def test_the_outcome_of_a_check_takes_the_notice_away(
    api: Actors, report: dict[str, Any]
) -> None:
    model_id = await new_model(api)
    await is_pending(api, "kafkaml-check-1-1")
    await finish_check(api, report)
    version = accepted(await api.viewer.get(f"models/{model_id}/versions/1"))
    assert version["state"] != "checking"
    assert version["notice"] is None


async def test_what_keeps_an_inference_from_running_is_shown_until_it_serves(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_inference(api)
    await is_pending(api, INFERENCE)
    shown = await inference_of(api)
    assert (shown["state"], shown["notice"]) == ("queued", FULL)
    assert (await outbox.events())[-1] == "inference.noticed inferences/1"
    inferencer = await api.attempt(INFERENCE)
    body = {"state": "serving"}
    accepted(await inferencer.post("attempts/current/progress", json=body))
    shown = await inference_of(api)
    assert (shown["state"], shown["notice"]) == ("serving", None)


async def test_a_replica_more_leaves_the_notice_about_the_others(api: Actors) -> None:
    await new_inference(api, replicas=3)
    await is_running(api, INFERENCE, ready_replicas=1)
    await is_pending(api, INFERENCE, ready_replicas=2)
    shown = await inference_of(api)
    assert (shown["state"], shown["ready_replicas"]) == ("serving", 2)
    assert shown["notice"] == FULL
    inferencer = await api.attempt(INFERENCE)
    body = {"state": "serving", "replica": 2}
    accepted(await inferencer.post("attempts/current/progress", json=body))
    shown = await inference_of(api)
    assert (shown["ready_replicas"], shown["notice"]) == (3, FULL)
    accepted(await observe(api, INFERENCE, replica=2, exit_code=137))
    assert (await inference_of(api))["notice"] == FULL


@pytest.mark.parametrize("end", ["blocked", "stop"])
async def test_the_end_of_an_inference_takes_the_notice_away(api: Actors, end: str) -> None:
    await new_inference(api)
    await is_pending(api, INFERENCE)
    if end == "stop":
        accepted(await api.editor.post("inferences/1/stop"))
    else:
        accepted(await observe(api, INFERENCE, phase="blocked", reason="quota"))
    assert (await inference_of(api))["notice"] is None


async def test_ready_replicas_are_counted_as_they_are_seen(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_inference(api, replicas=2)
    await is_running(api, INFERENCE, ready_replicas=0)
    assert (await inference_of(api))["state"] == "queued"
    for ready in (1, 2, 5, 3, 0):
        await is_running(api, INFERENCE, ready_replicas=ready)
        shown = await inference_of(api)
        assert (shown["state"], shown["ready_replicas"]) == ("serving", ready)
        assert shown["replicas"] == 2
    assert (await outbox.events())[-3:] == ["inference.serving inferences/1"] * 3


async def test_the_same_number_of_ready_replicas_writes_nothing(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_inference(api, replicas=2)
    await is_running(api, INFERENCE, ready_replicas=2)
    before = await outbox.versions("inference"), await outbox.events()
    await is_running(api, INFERENCE, ready_replicas=2)
    await is_running(api, INFERENCE)
    assert (await outbox.versions("inference"), await outbox.events()) == before


@pytest.mark.parametrize("ready", [-1, 10_001, 1.5, "2"])
async def test_a_number_of_replicas_that_cannot_be_is_refused(
    api: Actors, ready: object
) -> None:
    await new_inference(api)
    seen = await observe(api, INFERENCE, phase="running", ready_replicas=ready)
    assert (seen.status_code, code_of(seen)) == (422, "validation-failed")
