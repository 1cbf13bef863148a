from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    CHECK,
    accepted,
    finish_check,
    new_configuration,
    new_deployment,
    new_model,
    training_of,
    valid_model,
)


async def test_a_new_model_is_answered_whole(api: Actors, outbox: OutboxReader) -> None:
    body = {"name": "digits", "description": "small", "source": "model = 1"}
    response = await api.editor.post("models", json=body)
    assert response.status_code == 201
    model = response.json()
    assert (model["id"], model["name"], model["description"]) == (1, "digits", "small")
    assert model["version"]["number"] == 1
    assert model["version"]["state"] == "checking"
    assert model["version"]["source"] == "model = 1"
    assert (await api.viewer.get("models/1")).json() == model
    assert (await api.viewer.get("models/1/versions/1")).json() == model["version"]
    assert await outbox.events() == ["model.created models/1"]


async def test_names_are_unique(api: Actors) -> None:
    await new_model(api, name="digits")
    other = await new_model(api)
    again = {"name": "digits", "source": "x"}
    assert code_of(await api.editor.post("models", json=again)) == "name-taken"
    renamed = await api.editor.patch(f"models/{other}", json={"name": "digits"})
    assert (renamed.status_code, code_of(renamed)) == (409, "name-taken")


async def test_a_model_is_renamed_and_described(api: Actors) -> None:
    model_id = await new_model(api, name="one")
    changed = accepted(await api.editor.patch(f"models/{model_id}", json={"name": "two"}))
    assert changed["name"] == "two"
    changed = accepted(
        await api.editor.patch(f"models/{model_id}", json={"description": "new"})
    )
    assert (changed["name"], changed["description"]) == ("two", "new")


async def test_a_new_source_is_a_new_version(api: Actors, outbox: OutboxReader) -> None:
    model_id = await valid_model(api)
    path = f"models/{model_id}/versions"
    response = await api.editor.post(path, json={"source": "model = 2"})
    assert response.status_code == 201
    assert (response.json()["number"], response.json()["state"]) == (2, "checking")
    listed = accepted(await api.viewer.get(path))["items"]
    assert [(each["number"], each["state"]) for each in listed] == [
        (2, "checking"),
        (1, "valid"),
    ]
    model = accepted(await api.viewer.get(f"models/{model_id}"))
    assert model["version"]["number"] == 2
    assert (await outbox.events())[-1] == f"model.versioned models/{model_id}"


async def test_the_newest_source_again_adds_no_version(api: Actors) -> None:
    model_id = await new_model(api, source="model = 1")
    path = f"models/{model_id}/versions"
    response = await api.editor.post(path, json={"source": "model = 1"})
    assert (response.status_code, response.json()["number"]) == (200, 1)
    assert (await api.editor.post(path, json={"source": "2"})).status_code == 201
    back = await api.editor.post(path, json={"source": "model = 1"})
    assert (back.status_code, back.json()["number"]) == (201, 3)


async def test_a_passed_check_is_shown(api: Actors, outbox: OutboxReader) -> None:
    model_id = await new_model(api)
    await finish_check(api, {"check": CHECK})
    version = accepted(await api.viewer.get(f"models/{model_id}"))["version"]
    assert (version["state"], version["error"]) == ("valid", None)
    assert version["check"] == CHECK | {"loss": None, "metrics": [], "warnings": []}
    assert (await outbox.events())[-1] == f"model.checked models/{model_id}"


async def test_a_failed_check_fails_the_trainings_that_wait_for_it(api: Actors) -> None:
    model_id = await new_model(api)
    deployment = await new_deployment(api, model_id)
    assert deployment["trainings"][0]["state"] == "queued"
    await finish_check(api, {"error": {"message": "no compile", "line": 3}})
    version = accepted(await api.viewer.get(f"models/{model_id}"))["version"]
    assert version["state"] == "invalid"
    assert version["error"] == {"message": "no compile", "line": 3}
    training = await training_of(api, deployment["trainings"][0]["id"])
    assert (training["state"], training["failure"]["reason"]) == ("failed", "model_code")
    assert "no compile" in training["failure"]["message"]


async def test_an_invalid_model_cannot_be_deployed(api: Actors) -> None:
    model_id = await new_model(api, name="broken")
    configuration_id = await new_configuration(api, model_id)
    await finish_check(api, {"error": {"message": "no"}})
    response = await api.editor.post(
        "deployments", json={"configuration_id": configuration_id}
    )
    assert (response.status_code, code_of(response)) == (409, "model-invalid")
    assert "'broken'" in response.json()["detail"]


async def test_a_model_in_a_configuration_cannot_be_deleted(api: Actors) -> None:
    model_id = await valid_model(api)
    configuration_id = await new_configuration(api, model_id)
    response = await api.editor.delete(f"models/{model_id}")
    assert (response.status_code, code_of(response)) == (409, "in-use")
    assert f"configuration {configuration_id}" in response.json()["detail"]


async def test_a_model_with_trainings_cannot_be_deleted(api: Actors) -> None:
    model_id, other = await valid_model(api), await valid_model(api)
    deployment = await new_deployment(api, model_id)
    path = f"configurations/{deployment['configuration_id']}"
    accepted(await api.editor.patch(path, json={"model_ids": [other]}))
    assert code_of(await api.editor.delete(f"models/{model_id}")) == "in-use"


async def test_an_unused_model_is_deleted_with_its_check(
    api: Actors, outbox: OutboxReader
) -> None:
    model_id = await new_model(api)
    checker = await api.attempt("kafkaml-check-1-1")
    assert (await api.editor.delete(f"models/{model_id}")).status_code == 204
    assert code_of(await api.viewer.get(f"models/{model_id}")) == "not-found"
    assert (await checker.get("attempts/current")).status_code == 401
    assert (await outbox.events())[-1] == f"model.deleted models/{model_id}"


async def test_what_is_not_there_is_not_found(api: Actors) -> None:
    model_id = await new_model(api)
    missing = [
        await api.viewer.get("models/99"),
        await api.viewer.get(f"models/{model_id}/versions/2"),
        await api.viewer.get("models/99/versions"),
        await api.viewer.get("models/99/versions/1"),
        await api.editor.patch("models/99", json={"name": "x"}),
        await api.editor.delete("models/99"),
        await api.editor.post("models/99/versions", json={"source": "x"}),
    ]
    assert [(each.status_code, code_of(each)) for each in missing] == [
        (404, "not-found")
    ] * len(missing)
