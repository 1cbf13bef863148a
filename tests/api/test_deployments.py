from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    accepted,
    finished_training,
    new_configuration,
    new_deployment,
    new_inference,
    training_of,
    valid_model,
)


async def test_each_model_gets_a_training(api: Actors, outbox: OutboxReader) -> None:
    one, two = await valid_model(api, name="one"), await valid_model(api, name="two")
    configuration_id = await new_configuration(api, two, one)
    body = {"configuration_id": configuration_id, "epochs": 3, "seed": 7}
    response = await api.editor.post("deployments", json=body)
    assert response.status_code == 201
    deployment = response.json()
    assert deployment["parameters"]["epochs"] == 3
    assert deployment["parameters"]["batch_size"] == 32
    assert deployment["control_topic"] == "KAFKA_ML_CONTROL_TOPIC"
    assert [
        (each["model_name"], each["state"], each["attempt"], each["epochs"])
        for each in deployment["trainings"]
    ] == [("two", "queued", 1, 3), ("one", "queued", 1, 3)]
    assert accepted(await api.viewer.get("deployments/1")) == deployment
    assert accepted(await api.viewer.get("deployments"))["items"] == [deployment]
    assert (await outbox.events())[-3:] == [
        "deployment.created deployments/1",
        "training.queued trainings/1",
        "training.queued trainings/2",
    ]


async def test_a_deployment_keeps_the_versions_it_was_made_with(api: Actors) -> None:
    model_id = await valid_model(api)
    deployment = await new_deployment(api, model_id)
    accepted(await api.editor.post(f"models/{model_id}/versions", json={"source": "2"}))
    training = await training_of(api, deployment["trainings"][0]["id"])
    assert training["model_version"] == 1


async def test_an_unknown_configuration_is_refused(api: Actors) -> None:
    response = await api.editor.post("deployments", json={"configuration_id": 99})
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    assert response.json()["errors"][0]["location"] == "body.configuration_id"


async def test_a_deployment_with_an_active_training_cannot_be_deleted(api: Actors) -> None:
    deployment = await new_deployment(api)
    response = await api.editor.delete(f"deployments/{deployment['id']}")
    assert (response.status_code, code_of(response)) == (409, "still-running")


async def test_a_deployment_with_an_inference_cannot_be_deleted(api: Actors) -> None:
    training_id = await finished_training(api)
    inference = await new_inference(api, training_id)
    path = f"deployments/{(await training_of(api, training_id))['deployment_id']}"
    assert code_of(await api.editor.delete(path)) == "in-use"
    accepted(await api.editor.post(f"inferences/{inference['id']}/stop"))
    accepted(await api.editor.delete(f"inferences/{inference['id']}"))
    assert (await api.editor.delete(path)).status_code == 204
    assert code_of(await api.viewer.get(path)) == "not-found"
    assert code_of(await api.viewer.get(f"trainings/{training_id}")) == "not-found"


async def test_deleting_tells_and_ends_the_tokens(
    api: Actors, outbox: OutboxReader
) -> None:
    deployment = await new_deployment(api)
    trainer = await api.attempt("kafkaml-training-1-1")
    accepted(await api.editor.post("trainings/1/stop"))
    assert code_of(await trainer.get("attempts/current")) == "attempt-over"
    accepted(await api.editor.delete(f"deployments/{deployment['id']}"))
    assert (await trainer.get("attempts/current")).status_code == 401
    assert (await outbox.events())[-1] == "deployment.deleted deployments/1"
    assert code_of(await api.editor.delete("deployments/1")) == "not-found"
