"""Predictions over HTTP: handed on to a replica that answers, of those that told."""

from typing import Any

import asyncpg
import httpx
import pytest

from kafkaml_local.ports import free_port
from tests.api.actors import Actors, code_of
from tests.api.replica import KEY, replica
from tests.api.scenarios import accepted, new_inference, new_training, trainer_of

REQUEST = {"records": [[1, 2], [3, 4.5]]}
NO_REQUESTS: list[Any] = [
    {},
    {"records": []},
    {"records": [1], "base64": ["AA=="]},
    {"records": [0] * 1025},
    {"base64": [1]},
    {"records": [1], "more": 1},
]
ADDRESSES = ["10.0.0.7:8080", "[fd00::7]:8080", "kafka-ml.inference-1.0.0:8080", "pod_1:1"]
NO_ADDRESSES = [
    "",
    "host",
    "host:",
    ":80",
    "host:123456",
    "host:65536",
    "host:0",
    "user@host:80",
    "host:80/path",
    "host/path:80",
    "http://host:80",
    "host:80\n",
    "host:80?x",
    "169.254.169.254:80",
    "[fe80::1]:80",
    "[nonsense]:80",
    "0.0.0.0:80",
    "224.0.0.1:80",
]


async def attempt_of(api: Actors, inference_id: int) -> httpx.AsyncClient:
    return await api.attempt(f"kafkaml-inference-{inference_id}-1")


async def told(attempt: httpx.AsyncClient, address: str, key: str = KEY) -> httpx.Response:
    body = {"address": address, "key": key}
    return await attempt.post("attempts/current/address", json=body)


async def ask(api: Actors, inference_id: int, body: Any = REQUEST) -> httpx.Response:
    return await api.viewer.post(f"inferences/{inference_id}/predict", json=body)


async def test_a_replica_is_asked_with_its_key(api: Actors) -> None:
    inference = await new_inference(api)
    attempt = await attempt_of(api, inference["id"])
    with replica() as one:
        assert (await told(attempt, one.address)).status_code == 204
        answer = accepted(await ask(api, inference["id"]))

    assert answer == {"answers": [{"label": "one", "score": 1}] * 2}
    assert one.asked == [("/records", f"Bearer {KEY}", REQUEST)]


async def test_without_a_replica_the_caller_is_to_try_again(api: Actors) -> None:
    inference = await new_inference(api)

    response = await ask(api, inference["id"])

    assert (response.status_code, code_of(response)) == (503, "no-replica")
    assert response.headers["Retry-After"] == "2"


async def test_replicas_that_died_are_passed_over(api: Actors) -> None:
    inference = await new_inference(api)
    attempt = await attempt_of(api, inference["id"])
    await told(attempt, f"127.0.0.1:{free_port()}")
    await told(attempt, f"127.0.0.1:{free_port()}")
    with replica() as one:
        await told(attempt, one.address)
        for _ in range(5):
            accepted(await ask(api, inference["id"]))

    assert len(one.asked) == 5


@pytest.mark.parametrize("status", [401, 404, 500, 503, 302])
async def test_one_that_cannot_answer_is_passed_over(api: Actors, status: int) -> None:
    inference = await new_inference(api)
    attempt = await attempt_of(api, inference["id"])
    with replica("bad") as bad, replica("good") as good:
        bad.status = status
        await told(attempt, bad.address)
        assert code_of(await ask(api, inference["id"])) == "no-replica"
        await told(attempt, good.address)
        answers = [accepted(await ask(api, inference["id"])) for _ in range(3)]

    assert {each["answers"][0]["label"] for each in answers} == {"good"}
    assert len(bad.asked) == 3  # it was avoided as soon as there was another


async def test_what_a_replica_calls_wrong_is_wrong(api: Actors) -> None:
    inference = await new_inference(api)
    with replica() as one:
        one.status, one.error = 400, "not like this"
        await told(await attempt_of(api, inference["id"]), one.address)
        response = await ask(api, inference["id"])

    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    assert response.json()["errors"][0]["message"] == "not like this"
    assert len(one.asked) == 1


async def test_replicas_share_the_calls(api: Actors) -> None:
    inference = await new_inference(api)
    attempt = await attempt_of(api, inference["id"])
    with replica("one") as one, replica("two") as two:
        await told(attempt, one.address)
        await told(attempt, two.address)
        for _ in range(40):
            accepted(await ask(api, inference["id"]))

    assert len(one.asked) + len(two.asked) == 40
    assert one.asked
    assert two.asked


async def test_one_that_is_silent_is_not_asked(api: Actors, database_url: str) -> None:
    inference = await new_inference(api)
    attempt = await attempt_of(api, inference["id"])
    with replica() as one:
        await told(attempt, one.address)
        await age(database_url)
        assert code_of(await ask(api, inference["id"])) == "no-replica"
        await told(attempt, one.address)
        accepted(await ask(api, inference["id"]))
        await age(database_url)
        await told(attempt, "127.0.0.1:1")

    assert await addresses(database_url) == ["127.0.0.1:1"]


async def age(database_url: str) -> None:
    await _execute(
        database_url, "UPDATE replica_address SET seen_at = seen_at - interval '46 s'"
    )


async def addresses(database_url: str) -> list[str]:
    rows = await _execute(database_url, "SELECT address FROM replica_address")
    return [row["address"] for row in rows]


async def _execute(database_url: str, statement: str) -> Any:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def test_addresses_die_with_the_inference(api: Actors, database_url: str) -> None:
    inference = await new_inference(api)
    attempt = await attempt_of(api, inference["id"])
    await told(attempt, "127.0.0.1:1")
    accepted(await api.editor.post(f"inferences/{inference['id']}/stop"))

    assert await addresses(database_url) == []
    assert code_of(await ask(api, inference["id"])) == "inference-over"
    assert code_of(await told(attempt, "127.0.0.1:1")) == "attempt-over"


async def test_an_address_is_a_host_and_a_port(api: Actors) -> None:
    inference = await new_inference(api)
    attempt = await attempt_of(api, inference["id"])
    for address in ADDRESSES:
        assert (await told(attempt, address)).status_code == 204, address
    for address in NO_ADDRESSES:
        assert code_of(await told(attempt, address)) == "validation-failed", address


async def test_only_attempts_of_inferences_have_addresses(api: Actors) -> None:
    trainer = await trainer_of(api, await new_training(api))
    assert (await told(trainer, "127.0.0.1:1")).status_code == 409


async def test_a_request_has_to_be_one(api: Actors) -> None:
    inference = await new_inference(api)
    for body in NO_REQUESTS:
        assert code_of(await ask(api, inference["id"], body)) == "validation-failed", body


async def test_a_request_may_have_four_mebibytes(api: Actors) -> None:
    inference = await new_inference(api)
    small, large = ({"base64": ["A" * size]} for size in (2 * 2**20, 4 * 2**20))
    assert code_of(await ask(api, inference["id"], small)) == "no-replica"
    assert code_of(await ask(api, inference["id"], large)) == "body-too-large"


async def test_an_inference_that_is_not_there_is_not_found(api: Actors) -> None:
    assert code_of(await ask(api, 7)) == "not-found"
