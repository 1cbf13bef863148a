"""What holds when calls come at the same time."""

import asyncio
from collections import Counter
from typing import Any

from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    CHECK,
    accepted,
    new_configuration,
    new_model,
    new_training,
    observe,
    result_report,
    trainer_of,
    training_of,
    upload,
    valid_model,
)

TRIALS = 4


async def codes(*calls: Any) -> Counter[str]:
    responses = await asyncio.gather(*calls)
    assert not [each for each in responses if each.status_code >= 500]
    return Counter(
        str(each.status_code) if each.is_success else code_of(each) for each in responses
    )


async def test_one_of_two_creators_gets_a_name(api: Actors) -> None:
    model_id = await new_model(api)
    for trial in range(TRIALS):
        for path, body in (
            ("models", {"name": f"name {trial}", "source": "x"}),
            ("configurations", {"name": f"name {trial}", "model_ids": [model_id]}),
        ):
            seen = await codes(*(api.editor.post(path, json=body) for _ in range(4)))
            assert seen == {"201": 1, "name-taken": 3}


async def test_versions_have_numbers_of_their_own(api: Actors) -> None:
    path = f"models/{await new_model(api)}/versions"
    await codes(*(api.editor.post(path, json={"source": f"{n}"}) for n in range(6)))
    versions = accepted(await api.viewer.get(path))["items"]
    assert [each["number"] for each in versions] == [7, 6, 5, 4, 3, 2, 1]
    assert len({each["source"] for each in versions}) == 7


async def test_a_model_is_deleted_or_used(api: Actors) -> None:
    for trial in range(TRIALS):
        model_id = await new_model(api)
        body = {"name": f"c{trial}", "model_ids": [model_id]}
        seen = await codes(
            api.editor.delete(f"models/{model_id}"),
            api.editor.post("configurations", json=body),
        )
        assert seen in (
            {"204": 1, "validation-failed": 1},
            {"204": 1, "conflict": 1},
            {"in-use": 1, "201": 1},
        )


async def test_a_check_that_fails_meanwhile_fails_the_deployment_or_its_trainings(
    api: Actors,
) -> None:
    for _ in range(TRIALS):
        model_id = await new_model(api)
        body = {"configuration_id": await new_configuration(api, model_id)}
        (workload,) = accepted(await api.orchestrator.get("workloads"))["items"]
        checker = await api.attempt(workload["name"])
        error = {"error": {"message": "no"}}
        await codes(
            api.editor.post("deployments", json=body),
            checker.post("attempts/current/check", json=error),
        )
    trainings = accepted(await api.viewer.get("trainings"))["items"]
    assert {each["state"] for each in trainings} <= {"failed"}


async def test_a_result_and_a_stop_leave_one_truth(
    api: Actors, outbox: OutboxReader
) -> None:
    for _ in range(TRIALS):
        training_id = await new_training(api)
        trainer = await trainer_of(api, training_id)
        await upload(trainer)
        await codes(
            trainer.post("attempts/current/result", json=result_report()),
            api.editor.post(f"trainings/{training_id}/stop"),
        )
        state = (await training_of(api, training_id))["state"]
        assert state in {"finished", "stopped"}
        events = [
            each for each in await outbox.events() if each.endswith(f"/{training_id}")
        ]
        ends = [each for each in events if "finished" in each or "stopped" in each]
        assert ends == [f"training.{state} trainings/{training_id}"]


async def test_a_result_of_a_stale_attempt_is_never_taken(api: Actors) -> None:
    for _ in range(TRIALS):
        training_id = await new_training(api)
        old = await trainer_of(api, training_id)
        await upload(old)
        await codes(
            observe(api, f"kafkaml-training-{training_id}-1", exit_code=5),
            old.post("attempts/current/result", json=result_report()),
        )
        training = await training_of(api, training_id)
        if training["state"] == "finished":
            assert training["attempt"] == 1
            continue
        assert (training["state"], training["attempt"]) == ("queued", 2)
        assert training["result"] is None
        late = await old.post("attempts/current/result", json=result_report())
        assert code_of(late) == "attempt-over"


async def test_one_exit_seen_twice_is_one_loss(api: Actors) -> None:
    training_id = await new_training(api)
    name = f"kafkaml-training-{training_id}-1"
    seen = await codes(*(observe(api, name, exit_code=5) for _ in range(4)))
    assert seen == {"204": 1, "workload-not-current": 3}
    assert (await training_of(api, training_id))["attempt"] == 2


async def test_a_check_has_one_outcome(api: Actors, outbox: OutboxReader) -> None:
    model_id = await new_model(api)
    checker = await api.attempt("kafkaml-check-1-1")
    outcomes = [{"check": CHECK}, {"error": {"message": "no"}}] * 2
    seen = await codes(
        *(checker.post("attempts/current/check", json=each) for each in outcomes)
    )
    assert seen == {"204": 4}
    events = await outbox.events()
    assert events.count(f"model.checked models/{model_id}") == 1


async def test_the_outbox_has_the_order_of_the_changes(
    api: Actors, outbox: OutboxReader
) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    await codes(
        trainer.post("attempts/current/progress", json={"state": "waiting"}),
        trainer.post("attempts/current/progress", json={"state": "training"}),
        trainer.post("attempts/current/epochs", json={"epoch": 1, "values": {"a": 1.0}}),
        api.editor.post(f"trainings/{training_id}/stop"),
    )
    events = [each for each in await outbox.events() if "trainings/" in each]
    assert events[0].startswith("training.queued")
    assert events[-1].startswith("training.stopped")
    assert len(events) == len(set(events))


async def test_many_callers_are_served(api: Actors) -> None:
    await valid_model(api)
    seen = await codes(*(api.viewer.get("models") for _ in range(60)))
    assert seen == {"200": 60}
