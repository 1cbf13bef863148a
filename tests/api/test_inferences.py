from typing import Any

import pytest

from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    RAW_STREAM,
    accepted,
    finished_training,
    new_inference,
    new_training,
)

TOPICS = {"input_topic": "in", "output_topic": "out"}
FEATURES = {"data_type": "uint8", "data_reshape": "8 8"}


async def test_format_and_configuration_come_from_the_training(
    api: Actors, outbox: OutboxReader
) -> None:
    training_id = await finished_training(api)
    body = TOPICS | {"training_id": training_id, "replicas": 2}
    response = await api.editor.post("inferences", json=body)
    assert response.status_code == 201
    inference = response.json()
    assert (inference["state"], inference["ready_replicas"]) == ("queued", 0)
    assert (inference["input_format"], inference["input_config"]) == ("RAW", FEATURES)
    assert inference["dead_letter_topic"] == "out.dlq"
    assert accepted(await api.viewer.get("inferences/1")) == inference
    assert (await outbox.events())[-1] == "inference.created inferences/1"


async def test_format_and_configuration_can_be_given(api: Actors) -> None:
    training_id = await finished_training(api)
    config = {"data_type": "float32", "data_reshape": "8 8"}
    inference = await new_inference(api, training_id, input_config=config)
    assert (inference["input_format"], inference["input_config"]) == ("RAW", config)
    inference = await new_inference(api, training_id, input_format="json")
    assert (inference["input_format"], inference["input_config"]) == ("JSON", {})


@pytest.mark.parametrize(
    "fields",
    [
        {"input_config": {"data_type": "uint8", "data_reshape": "4 4"}},
        {"input_config": {"data_type": "no such type"}},
        {"input_config": {}},
        {"input_format": "IMAGE"},
        {"input_format": "JSON", "input_config": {"data_fields": 5}},
        {"input_format": "AVRO", "input_config": {"data_scheme": "{"}},
    ],
)
async def test_a_format_that_does_not_fit_is_refused(
    api: Actors, fields: dict[str, Any]
) -> None:
    body = TOPICS | {"training_id": await finished_training(api)} | fields
    response = await api.editor.post("inferences", json=body)
    assert (response.status_code, code_of(response)) == (422, "format-invalid")


async def test_how_it_answers_is_told_to_the_replicas(api: Actors) -> None:
    wanted: dict[str, Any] = {
        "guarantee": "exactly_once",
        "output_format": "LABEL",
        "output_config": {"data_type": "float32", "class_names": ["cat", "dog"]},
        "input_cluster": "edge",
        "output_cluster": "edge",
        "early_exit": {"limit": 0.8, "upper_topic": "upper", "layer": "features"},
    }
    inference = await new_inference(api, **wanted)
    assert {name: inference[name] for name in wanted} == wanted
    inferencer = await api.attempt("kafkaml-inference-1-1")
    order = accepted(await inferencer.get("attempts/current"))["inference"]
    assert {name: order[name] for name in wanted} == wanted
    (workload,) = accepted(await api.orchestrator.get("workloads"))["items"]
    assert [(each["name"], each["cluster"]) for each in workload["topics"]] == [
        ("digits-in", "edge"),
        ("digits-out", "edge"),
        ("digits-out.dlq", "edge"),
        ("upper", "edge"),
    ]


async def test_it_answers_in_json_at_least_once_unless_told_otherwise(api: Actors) -> None:
    inference = await new_inference(api)
    assert (inference["guarantee"], inference["output_format"]) == ("at_least_once", "JSON")
    assert (inference["input_cluster"], inference["early_exit"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"guarantee": "exactly_once", "output_cluster": "edge"}, "one cluster"),
        ({"output_topic": "in"}, "its own answers"),
        ({"early_exit": {"limit": 0.5, "upper_topic": "in"}}, "its own answers"),
        ({"early_exit": {"limit": 0.5, "upper_topic": "out.dlq"}}, "upper_topic"),
        ({"output_format": "AVRO", "output_config": {"data_type": "float16"}}, "float16"),
        ({"input_cluster": "No such name"}, "pattern"),
    ],
)
async def test_what_cannot_be_kept_or_answered_is_refused(
    api: Actors, fields: dict[str, Any], reason: str
) -> None:
    body = TOPICS | {"training_id": await finished_training(api)} | fields
    response = await api.editor.post("inferences", json=body)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    assert reason in response.text


async def test_a_training_must_be_finished(api: Actors) -> None:
    body = TOPICS | {"training_id": await new_training(api)}
    response = await api.editor.post("inferences", json=body)
    assert (response.status_code, code_of(response)) == (409, "not-finished")
    body = TOPICS | {"training_id": 99}
    response = await api.editor.post("inferences", json=body)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


async def test_an_avro_stream_gives_its_scheme(api: Actors) -> None:
    scheme = '{"type": "record", "name": "r", "fields": [{"name": "x", "type": "float"}]}'
    config = {"data_scheme": scheme, "label_scheme": scheme}
    stream = RAW_STREAM | {"input_format": "AVRO", "input_config": config}
    training_id = await finished_training(api, stream=stream, input_shape=[1])
    inference = await new_inference(api, training_id)
    assert inference["input_format"] == "AVRO"
    assert inference["input_config"] == {"data_scheme": scheme}


async def test_replicas_are_ready_once_they_serve(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_inference(api, replicas=2)
    inferencer = await api.attempt("kafkaml-inference-1-1")
    for replica in (1, 1, 7):
        body = {"state": "serving", "replica": replica}
        accepted(await inferencer.post("attempts/current/progress", json=body))
    inference = accepted(await api.viewer.get("inferences/1"))
    assert (inference["state"], inference["ready_replicas"]) == ("serving", 1)
    assert (await outbox.events()).count("inference.serving inferences/1") == 1


async def test_people_choose_the_engine_and_see_which_one_answers(api: Actors) -> None:
    created = await new_inference(api, engine="keras")
    assert (created["wanted_engine"], created["engine"]) == ("keras", None)
    inferencer = await api.attempt("kafkaml-inference-1-1")
    order = accepted(await inferencer.get("attempts/current"))["inference"]
    assert (order["engine"], order["gpu"]) == ("keras", 0)
    engine = {
        "name": "litert",
        "call_milliseconds": {"1": 0.01, "8": 0.02},
        "rejected": {"keras": "the file is damaged"},
    }
    body = {"state": "serving", "engine": engine}
    accepted(await inferencer.post("attempts/current/progress", json=body))
    again = {"state": "serving"}
    accepted(await inferencer.post("attempts/current/progress", json=again))
    assert accepted(await api.viewer.get("inferences/1"))["engine"] == engine


@pytest.mark.parametrize(
    "engine",
    [
        {"name": "other", "call_milliseconds": {}},
        {"name": "litert", "call_milliseconds": {"1": -1}},
        {"name": "litert"},
    ],
)
async def test_an_engine_that_is_none_is_refused(
    api: Actors, engine: dict[str, object]
) -> None:
    await new_inference(api)
    inferencer = await api.attempt("kafkaml-inference-1-1")
    body = {"state": "serving", "engine": engine}
    response = await inferencer.post("attempts/current/progress", json=body)
    assert response.status_code == 422


async def test_an_inference_is_scaled(api: Actors, outbox: OutboxReader) -> None:
    await new_inference(api, replicas=3)
    inferencer = await api.attempt("kafkaml-inference-1-1")
    for replica in range(3):
        body = {"state": "serving", "replica": replica}
        accepted(await inferencer.post("attempts/current/progress", json=body))
    response = await api.editor.post("inferences/1/scale", json={"replicas": 1})
    assert response.status_code == 202
    assert (response.json()["replicas"], response.json()["ready_replicas"]) == (1, 1)
    (workload,) = accepted(await api.orchestrator.get("workloads"))["items"]
    assert workload["replicas"] == 1
    assert (await outbox.events())[-1] == "inference.scaled inferences/1"
    accepted(await api.editor.post("inferences/1/scale", json={"replicas": 1}))
    assert (await outbox.events()).count("inference.scaled inferences/1") == 1


async def test_an_inference_is_stopped_and_deleted(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_inference(api)
    inferencer = await api.attempt("kafkaml-inference-1-1")
    assert code_of(await api.editor.delete("inferences/1")) == "still-running"
    response = await api.editor.post("inferences/1/stop")
    assert (response.status_code, response.json()["state"]) == (202, "stopped")
    assert response.json()["stopped_at"] is not None
    assert code_of(await inferencer.get("attempts/current")) == "attempt-over"
    again = await api.editor.post("inferences/1/stop")
    assert (again.status_code, again.json()) == (202, response.json())
    scaled = await api.editor.post("inferences/1/scale", json={"replicas": 2})
    assert (scaled.status_code, code_of(scaled)) == (409, "inference-over")
    assert (await outbox.events()).count("inference.stopped inferences/1") == 1
    assert (await api.editor.delete("inferences/1")).status_code == 204
    assert code_of(await api.viewer.get("inferences/1")) == "not-found"
    assert (await inferencer.get("attempts/current")).status_code == 401


async def test_logs_are_kept_by_replica(api: Actors) -> None:
    await new_inference(api, replicas=2)
    headers = {"Content-Type": "text/plain"}
    path = "workloads/kafkaml-inference-1-1/logs/1"
    accepted(await api.orchestrator.put(path, content=b"one", headers=headers))
    assert (await api.viewer.get("inferences/1/logs")).text == ""
    shown = await api.viewer.get("inferences/1/logs", params={"replica": 1})
    assert shown.text == "one"


async def test_lists_are_filtered(api: Actors) -> None:
    one, two = await finished_training(api), await finished_training(api)
    await new_inference(api, one)
    await new_inference(api, two)
    accepted(await api.editor.post("inferences/1/stop"))

    async def listed(**params: int | str) -> list[int]:
        items = accepted(await api.viewer.get("inferences", params=params))["items"]
        return [each["id"] for each in items]

    assert await listed() == [2, 1]
    assert await listed(training_id=two) == [2]
    assert await listed(state="stopped") == [1]


async def test_an_unknown_inference_is_not_found(api: Actors) -> None:
    responses = [
        await api.viewer.get("inferences/99"),
        await api.viewer.get("inferences/99/logs"),
        await api.editor.post("inferences/99/stop"),
        await api.editor.post("inferences/99/scale", json={"replicas": 1}),
        await api.editor.delete("inferences/99"),
    ]
    assert {code_of(each) for each in responses} == {"not-found"}


async def test_answers_must_not_be_read_as_questions(api: Actors) -> None:
    training_id = await finished_training(api)
    for topic in ("out", "out.dlq"):
        topics = {"input_topic": topic, "output_topic": "out"}
        response = await api.editor.post(
            "inferences", json=topics | {"training_id": training_id}
        )
        assert code_of(response) == "validation-failed"
