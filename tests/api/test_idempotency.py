import asyncio
import base64
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import (
    RAW_STREAM,
    accepted,
    finished_training,
    new_configuration,
    new_deployment,
    new_model,
)

KEY = {"Idempotency-Key": "one"}


async def creating_calls(api: Actors) -> list[tuple[str, dict[str, Any], str]]:
    training_id = await finished_training(api)
    model_id = await new_model(api)
    await new_deployment(api)
    record = {
        "topic": "control",
        "partition": 0,
        "offset": 0,
        "timestamp_ms": 0,
        "key": None,
        "value": base64.b64encode(orjson.dumps(RAW_STREAM)).decode(),
    }
    accepted(await api.control_logger.post("datasources", json=record))
    topics = {"input_topic": "in", "output_topic": "out"}
    return [
        ("models", {"name": "new", "source": "x"}, "name"),
        (f"models/{model_id}/versions", {"source": "other"}, "source"),
        ("configurations", {"name": "new", "model_ids": [model_id]}, "name"),
        ("deployments", {"configuration_id": await new_configuration(api)}, "seed"),
        ("inferences", {"training_id": training_id} | topics, "replicas"),
        ("datasources/1/send", {"deployment_id": 2}, "test_rate"),
    ]


async def test_a_repeated_call_has_one_effect_and_one_answer(
    api: Actors, outbox: OutboxReader
) -> None:
    for number, (path, body, field) in enumerate(await creating_calls(api)):
        headers = {"Idempotency-Key": f"key-{number}"}
        first = await api.editor.post(path, json=body, headers=headers)
        assert first.is_success, first.text
        effects = await counted(outbox)
        for _ in range(2):
            again = await api.editor.post(path, json=body, headers=headers)
            assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert await counted(outbox) == effects
        other = body | {field: {"name": "z", "source": "z"}.get(field, 0.5)}
        other = other if field not in {"seed", "replicas"} else body | {field: 3}
        reused = await api.editor.post(path, json=other, headers=headers)
        assert (reused.status_code, code_of(reused)) == (422, "idempotency-key-reused")


async def counted(outbox: OutboxReader) -> tuple[int, int]:
    return len(await outbox.events()), len(await outbox.control_messages())


async def test_blanks_in_the_body_do_not_matter(api: Actors) -> None:
    headers = KEY | {"Content-Type": "application/json"}
    bodies = [b'{"name":"a","source":"x"}', b'{ "name": "a",\n "source": "x" }']
    one, two = [
        await api.editor.post("models", content=body, headers=headers) for body in bodies
    ]
    assert one.json() == two.json()
    assert (one.status_code, two.status_code) == (201, 201)


async def test_the_answer_is_that_of_the_first_time(api: Actors) -> None:
    body = {"name": "a", "source": "x"}
    first = accepted(await api.editor.post("models", json=body, headers=KEY))
    accepted(await api.editor.patch(f"models/{first['id']}", json={"name": "b"}))
    assert accepted(await api.editor.post("models", json=body, headers=KEY)) == first


async def test_a_version_that_added_nothing_is_answered_so_again(api: Actors) -> None:
    path = f"models/{await new_model(api, source='x')}/versions"
    for _ in range(2):
        response = await api.editor.post(path, json={"source": "x"}, headers=KEY)
        assert response.status_code == 200


async def test_a_call_that_failed_can_be_made_right(api: Actors) -> None:
    await new_model(api, name="taken")
    body = {"name": "taken", "source": "x"}
    refused = await api.editor.post("models", json=body, headers=KEY)
    assert code_of(refused) == "name-taken"
    body = {"name": "free", "source": "x"}
    assert (await api.editor.post("models", json=body, headers=KEY)).status_code == 201


async def test_keys_of_others_and_of_other_routes_are_other_keys(api: Actors) -> None:
    body = {"name": "a", "source": "x"}
    accepted(await api.editor.post("models", json=body, headers=KEY))
    refused = await api.admin.post("models", json=body, headers=KEY)
    assert code_of(refused) == "name-taken"
    other = {"name": "a", "model_ids": [1]}
    reused = await api.editor.post("configurations", json=other, headers=KEY)
    assert code_of(reused) == "idempotency-key-reused"


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_cannot_be_is_refused(api: Actors, key: str) -> None:
    response = await api.editor.post(
        "models", json={"name": "a", "source": "x"}, headers={"Idempotency-Key": key}
    )
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


async def test_calls_at_the_same_time_have_one_effect(api: Actors) -> None:
    for trial in range(5):
        body = {"name": f"model {trial}", "source": "x"}
        headers = {"Idempotency-Key": f"trial {trial}"}

        async def post(body: Any = body, headers: Any = headers) -> httpx.Response:
            return await api.editor.post("models", json=body, headers=headers)

        responses = await asyncio.gather(*(post() for _ in range(5)))
        assert {each.status_code for each in responses} == {201}
        assert len({each.text for each in responses}) == 1
    assert len(accepted(await api.viewer.get("models"))["items"]) == 5


async def test_old_keys_are_forgotten(api: Actors, database_url: str) -> None:
    accepted(
        await api.editor.post("models", json={"name": "a", "source": "x"}, headers=KEY)
    )
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute(
        "UPDATE idempotency_key SET created_at = now() - interval '2 days'"
    )
    body = {"name": "b", "source": "x"}
    response = await api.editor.post("models", json=body, headers=KEY)
    kept = await connection.fetchval("SELECT count(*) FROM idempotency_key")
    await connection.close()
    assert response.status_code == 201
    assert kept == 1
