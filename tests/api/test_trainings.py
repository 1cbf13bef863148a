import pytest

from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    ARTIFACT,
    ARTIFACT_SHA256,
    MATRIX,
    RESULT,
    accepted,
    finished_training,
    new_deployment,
    new_model,
    new_training,
    observe,
    result_report,
    trainer_of,
    training_of,
    upload,
    valid_model,
)


async def test_a_training_goes_its_way(api: Actors, outbox: OutboxReader) -> None:
    training_id = await new_training(api, epochs=2)
    trainer = await trainer_of(api, training_id)
    assert (await training_of(api, training_id))["state"] == "starting"
    accepted(await trainer.post("attempts/current/progress", json={"state": "waiting"}))
    assert (await training_of(api, training_id))["state"] == "waiting"
    accepted(await trainer.post("attempts/current/progress", json={"state": "training"}))
    training = await training_of(api, training_id)
    assert (training["state"], training["result"]) == ("training", None)
    assert training["started_at"] is not None
    for epoch in (1, 2):
        values = {"loss": 1 / epoch, "val_loss": None}
        report = {"epoch": epoch, "values": values}
        accepted(await trainer.post("attempts/current/epochs", json=report))
    assert (await training_of(api, training_id))["epoch"] == 2
    await upload(trainer)
    assert (await training_of(api, training_id))["artifact"] is None
    accepted(await trainer.post("attempts/current/result", json=result_report()))
    training = await training_of(api, training_id)
    assert (training["state"], training["failure"]) == ("finished", None)
    assert training["artifact"] == {
        "format": "keras",
        "size_bytes": len(ARTIFACT),
        "sha256": ARTIFACT_SHA256,
    }
    assert training["artifacts"] == [training["artifact"]]
    assert training["result"]["test"] == {"loss": None}
    assert (await outbox.events())[-5:] == [
        f"training.{each} trainings/{training_id}"
        for each in ("waiting", "started", "progressed", "progressed", "finished")
    ]


async def test_curves_are_shown_by_attempt(api: Actors) -> None:
    training_id = await new_training(api)
    for value in (0.5, 0.25):
        attempt = (await training_of(api, training_id))["attempt"]
        trainer = await trainer_of(api, training_id)
        report = {"epoch": 1, "values": {"loss": value}}
        accepted(await trainer.post("attempts/current/epochs", json=report))
        name = f"kafkaml-training-{training_id}-{attempt}"
        accepted(await observe(api, name, exit_code=5))
    path = f"trainings/{training_id}/metrics"
    for attempt, epochs in (
        (1, [{"epoch": 1, "values": {"loss": 0.5}}]),
        (2, [{"epoch": 1, "values": {"loss": 0.25}}]),
        (3, []),
    ):
        shown = accepted(await api.viewer.get(path, params={"attempt": attempt}))
        assert shown == {"training_id": training_id, "attempt": attempt, "epochs": epochs}
    assert accepted(await api.viewer.get(path))["attempt"] == 3
    response = await api.viewer.get(path, params={"attempt": 4})
    assert code_of(response) == "not-found"


async def test_a_finished_training_has_its_files(api: Actors) -> None:
    path = f"trainings/{await finished_training(api)}"
    matrix = await api.viewer.get(f"{path}/confusion-matrix")
    assert accepted(matrix) == MATRIX
    artifact = await api.viewer.get(f"{path}/artifact")
    assert artifact.content == ARTIFACT
    assert artifact.headers["X-Content-SHA256"] == ARTIFACT_SHA256
    assert artifact.headers["Content-Disposition"].endswith('.keras"')
    assert artifact.headers["Content-Length"] == str(len(ARTIFACT))


async def test_files_of_a_training_that_is_not_finished_are_refused(api: Actors) -> None:
    path = f"trainings/{await new_training(api)}"
    for name in ("artifact", "confusion-matrix"):
        response = await api.viewer.get(f"{path}/{name}")
        assert (response.status_code, code_of(response)) == (409, "not-finished")


async def test_a_training_without_a_matrix_says_so(api: Actors) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    await upload(trainer)
    report = result_report(confusion_matrix=None)
    accepted(await trainer.post("attempts/current/result", json=report))
    response = await api.viewer.get(f"trainings/{training_id}/confusion-matrix")
    assert (response.status_code, code_of(response)) == (404, "not-found")


async def test_logs_are_kept_by_attempt(api: Actors) -> None:
    training_id = await new_training(api)
    path = f"trainings/{training_id}/logs"
    response = await api.viewer.get(path)
    assert (response.status_code, response.content) == (200, b"")
    accepted(await observe(api, f"kafkaml-training-{training_id}-1", exit_code=5))
    for attempt in (1, 2):
        name = f"kafkaml-training-{training_id}-{attempt}"
        for text in ("early", f"späte Zeile {attempt}\n"):
            response = await api.orchestrator.put(
                f"workloads/{name}/logs/0",
                content=text.encode(),
                headers={"Content-Type": "text/plain"},
            )
            assert response.status_code == 204
    response = await api.viewer.get(path)
    assert response.text == "späte Zeile 2\n"
    assert response.headers["content-type"].startswith("text/plain")
    response = await api.viewer.get(path, params={"attempt": 1})
    assert response.text == "späte Zeile 1\n"
    assert code_of(await api.viewer.get(path, params={"attempt": 3})) == "not-found"


async def test_stopping_ends_the_attempt_at_once(api: Actors, outbox: OutboxReader) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    response = await api.editor.post(f"trainings/{training_id}/stop")
    assert (response.status_code, response.json()["state"]) == (202, "stopped")
    assert response.json()["finished_at"] is not None
    assert code_of(await trainer.get("attempts/current")) == "attempt-over"
    assert accepted(await api.orchestrator.get("workloads"))["items"] == []
    again = await api.editor.post(f"trainings/{training_id}/stop")
    assert (again.status_code, again.json()) == (202, response.json())
    events = await outbox.events()
    assert events.count(f"training.stopped trainings/{training_id}") == 1


async def test_a_finished_training_stays_finished(api: Actors) -> None:
    training_id = await finished_training(api)
    stopped = accepted(await api.editor.post(f"trainings/{training_id}/stop"))
    assert stopped["state"] == "finished"
    response = await api.editor.post(f"trainings/{training_id}/retry")
    assert (response.status_code, code_of(response)) == (409, "already-finished")


@pytest.mark.parametrize("end", ["stop", "fail"])
async def test_a_retry_is_a_new_attempt(
    api: Actors, outbox: OutboxReader, end: str
) -> None:
    training_id = await new_training(api)
    path = f"trainings/{training_id}"
    trainer = await trainer_of(api, training_id)
    assert code_of(await api.editor.post(f"{path}/retry")) == "still-running"
    if end == "stop":
        accepted(await api.editor.post(f"{path}/stop"))
    else:
        failure = {"reason": "diverged", "message": "loss is NaN"}
        accepted(await trainer.post("attempts/current/failure", json=failure))
        assert (await training_of(api, training_id))["failure"] == failure
    response = await api.editor.post(f"{path}/retry")
    assert response.status_code == 202
    training = response.json()
    assert (training["state"], training["attempt"]) == ("queued", 2)
    assert (training["failure"], training["finished_at"]) == (None, None)
    assert code_of(await trainer.get("attempts/current")) == "attempt-over"
    assert (await outbox.events())[-1] == f"training.queued {path}"


async def test_a_training_of_an_invalid_model_cannot_be_retried(api: Actors) -> None:
    deployment = await new_deployment(api, await new_model(api))
    training_id = deployment["trainings"][0]["id"]
    checker = await api.attempt("kafkaml-check-1-1")
    report = {"error": {"message": "no"}}
    accepted(await checker.post("attempts/current/check", json=report))
    response = await api.editor.post(f"trainings/{training_id}/retry")
    assert (response.status_code, code_of(response)) == (409, "model-invalid")


async def test_lists_are_filtered(api: Actors) -> None:
    model_id = await valid_model(api)
    first = await new_deployment(api, model_id)
    second = await new_deployment(api, model_id)
    accepted(await api.editor.post(f"trainings/{first['trainings'][0]['id']}/stop"))

    async def listed(**params: int | str) -> list[int]:
        items = accepted(await api.viewer.get("trainings", params=params))["items"]
        return [each["id"] for each in items]

    assert await listed() == [2, 1]
    assert await listed(deployment_id=second["id"]) == [2]
    assert await listed(state="stopped") == [1]
    assert await listed(state="stopped", deployment_id=second["id"]) == []
    refused = await api.viewer.get("trainings", params={"state": "nonsense"})
    assert code_of(refused) == "validation-failed"


async def test_the_result_is_kept_as_it_was_reported(api: Actors) -> None:
    training = await training_of(api, await finished_training(api))
    kept = {name: value for name, value in training["result"].items() if value}
    assert kept == {name: value for name, value in RESULT.items() if value}


async def test_an_unknown_training_is_not_found(api: Actors) -> None:
    paths = ["", "/metrics", "/confusion-matrix", "/artifact", "/logs"]
    responses = [await api.viewer.get(f"trainings/99{path}") for path in paths]
    responses += [
        await api.editor.post(f"trainings/99/{verb}") for verb in ("stop", "retry")
    ]
    assert {code_of(each) for each in responses} == {"not-found"}
