from tests.api.actors import Actors, code_of
from tests.api.scenarios import accepted, new_configuration, new_deployment, valid_model


async def test_a_configuration_keeps_the_order_of_its_models(api: Actors) -> None:
    ids = [await valid_model(api) for _ in range(3)]
    body = {"name": "digits", "description": "d", "model_ids": [ids[2], ids[0], ids[1]]}
    response = await api.editor.post("configurations", json=body)
    assert response.status_code == 201
    configuration = response.json()
    assert configuration["model_ids"] == [ids[2], ids[0], ids[1]]
    assert (await api.viewer.get("configurations/1")).json() == configuration
    listed = accepted(await api.viewer.get("configurations"))
    assert listed == {"items": [configuration], "next_cursor": None}


async def test_a_configuration_is_changed(api: Actors) -> None:
    one, two = await valid_model(api), await valid_model(api)
    path = f"configurations/{await new_configuration(api, one)}"
    body = {"name": "new", "description": "text", "model_ids": [two, one]}
    changed = accepted(await api.editor.patch(path, json=body))
    assert {name: changed[name] for name in body} == body
    swapped = accepted(await api.editor.patch(path, json={"model_ids": [one, two]}))
    assert swapped["model_ids"] == [one, two]
    assert accepted(await api.viewer.get(path)) == swapped


async def test_names_are_unique(api: Actors) -> None:
    model_id = await valid_model(api)
    body = {"name": "digits", "model_ids": [model_id]}
    accepted(await api.editor.post("configurations", json=body))
    assert code_of(await api.editor.post("configurations", json=body)) == "name-taken"
    path = f"configurations/{await new_configuration(api, model_id)}"
    renamed = await api.editor.patch(path, json={"name": "digits"})
    assert (renamed.status_code, code_of(renamed)) == (409, "name-taken")


async def test_models_must_exist_and_come_once(api: Actors) -> None:
    model_id = await valid_model(api)
    for model_ids in ([model_id, 98, 99], [model_id, model_id], []):
        body = {"name": "digits", "model_ids": model_ids}
        response = await api.editor.post("configurations", json=body)
        assert (response.status_code, code_of(response)) == (422, "validation-failed")
        assert response.json()["errors"][0]["location"] == "body.model_ids"


async def test_a_deployed_configuration_cannot_be_deleted(api: Actors) -> None:
    deployment = await new_deployment(api)
    path = f"configurations/{deployment['configuration_id']}"
    response = await api.editor.delete(path)
    assert (response.status_code, code_of(response)) == (409, "in-use")


async def test_a_configuration_is_deleted(api: Actors) -> None:
    path = f"configurations/{await new_configuration(api)}"
    assert (await api.editor.delete(path)).status_code == 204
    for response in (
        await api.viewer.get(path),
        await api.editor.patch(path, json={}),
        await api.editor.delete(path),
    ):
        assert code_of(response) == "not-found"
