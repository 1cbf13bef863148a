import base64
from typing import Any

import asyncpg
import orjson
import pytest

from kafkaml.control import key_of
from tests.api.actors import Actors, code_of
from tests.api.outbox_reader import OutboxReader
from tests.api.scenarios import RAW_STREAM, accepted, new_deployment, valid_model


def record(
    fields: Any = None, *, of_key: bytes | None = None, **changes: Any
) -> dict[str, Any]:
    value = fields if isinstance(fields, bytes) else orjson.dumps(fields or RAW_STREAM)
    return {
        "topic": "KAFKA_ML_CONTROL_TOPIC",
        "partition": 0,
        "offset": 0,
        "timestamp_ms": 1_700_000_000_123,
        "key": None if of_key is None else base64.b64encode(of_key).decode(),
        "value": base64.b64encode(value).decode(),
    } | changes


async def test_a_control_message_is_recorded(api: Actors, outbox: OutboxReader) -> None:
    await new_deployment(api)
    response = await api.control_logger.post("datasources", json=record(offset=7))
    assert response.status_code == 201
    datasource = response.json()
    assert (datasource["state"], datasource["rejection"]) == ("recorded", None)
    assert datasource["deployment_id"] == 1
    assert datasource["control"] == RAW_STREAM
    assert datasource["announced_at"] == "2023-11-14T22:13:20.123000Z"
    assert (datasource["topic"], datasource["partition"], datasource["offset"]) == (
        "KAFKA_ML_CONTROL_TOPIC",
        0,
        7,
    )
    assert accepted(await api.viewer.get("datasources/1")) == datasource
    assert (await outbox.events())[-1] == "datasource.recorded datasources/1"


async def test_a_message_of_the_original_sinks_is_recorded(api: Actors) -> None:
    await new_deployment(api)
    fields = {name: value for name, value in RAW_STREAM.items() if name != "deployment_id"}
    body = record(fields, of_key=b"\x01")
    datasource = accepted(await api.control_logger.post("datasources", json=body))
    assert (datasource["state"], datasource["deployment_id"]) == ("recorded", 1)


@pytest.mark.parametrize("deployment_id", [255, 256, 2**31, 2**63 - 1])
async def test_keys_name_deployments_of_any_size(
    api: Actors, database_url: str, deployment_id: int
) -> None:
    await _set_next_deployment_id(database_url, deployment_id)
    await new_deployment(api)
    fields = {name: value for name, value in RAW_STREAM.items() if name != "deployment_id"}
    body = record(fields, of_key=key_of(deployment_id))
    datasource = accepted(await api.control_logger.post("datasources", json=body))
    assert (datasource["state"], datasource["deployment_id"]) == ("recorded", deployment_id)
    order = accepted(await api.viewer.get(f"deployments/{deployment_id}"))
    assert order["trainings"][0]["deployment_id"] == deployment_id


async def _set_next_deployment_id(database_url: str, deployment_id: int) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute(
        "SELECT setval(pg_get_serial_sequence('deployment', 'id'), $1, false)",
        deployment_id,
    )
    await connection.close()


async def test_a_record_that_comes_twice_is_kept_once(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_deployment(api)
    first = await api.control_logger.post("datasources", json=record())
    again = await api.control_logger.post("datasources", json=record())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (await outbox.events()).count("datasource.recorded datasources/1") == 1


@pytest.mark.parametrize(
    ("fields", "deployment_id", "part"),
    [
        (b"not json", None, "not JSON"),
        (b"[]", None, "not a JSON object"),
        (b'{"deployment_id": 1, "topic": "a\\u0000:0:0:5"}', 1, ""),
        (RAW_STREAM | {"deployment_id": 99}, 99, "no deployment 99"),
        (RAW_STREAM | {"deployment_id": 0}, 0, "no deployment 0"),
        (RAW_STREAM | {"topic": "t:0:5:1"}, 1, "ends before it starts"),
        (RAW_STREAM | {"input_format": "PICKLE"}, 1, "PICKLE"),
        (
            RAW_STREAM | {"input_config": {"data_type": "blob", "label_type": "uint8"}},
            1,
            "data_type",
        ),
        (RAW_STREAM | {"validation_rate": 0.6, "test_rate": 0.6}, 1, "sum"),
        (RAW_STREAM | {"deployment_id": -1}, None, ""),
        (b'{"deployment_id": 1180591620717411303424, "topic": "t"}', None, ""),
        (RAW_STREAM | {"deployment_id": "1\x00"}, None, ""),
    ],
)
async def test_a_message_that_breaks_a_rule_is_kept_as_rejected(
    api: Actors, outbox: OutboxReader, fields: Any, deployment_id: int | None, part: str
) -> None:
    await new_deployment(api)
    response = await api.control_logger.post("datasources", json=record(fields))
    assert response.status_code == 201, response.text
    datasource = response.json()
    assert datasource["state"] == "rejected"
    assert datasource["deployment_id"] == deployment_id
    assert part in datasource["rejection"]
    assert (await outbox.events())[-1] == "datasource.rejected datasources/1"
    body = {"deployment_id": 1}
    sent = await api.editor.post("datasources/1/send", json=body)
    assert (sent.status_code, code_of(sent)) == (409, "datasource-rejected")


async def test_a_record_without_value_is_kept_as_rejected(api: Actors) -> None:
    body = record(of_key=b"\x05", value=None)
    datasource = accepted(await api.control_logger.post("datasources", json=body))
    assert (datasource["state"], datasource["deployment_id"]) == ("rejected", 5)
    assert datasource["control"] is None


async def test_a_record_as_large_as_kafka_takes_is_kept(api: Actors) -> None:
    body = record(b"x" * (1024 * 1024 + 5))
    datasource = accepted(await api.control_logger.post("datasources", json=body))
    assert datasource["state"] == "rejected"
    assert datasource["control"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"partition": 2**31},
        {"offset": 2**63},
        {"timestamp_ms": 10**17},
        {"timestamp_ms": -2},
        {"key": "no base64!"},
        {"value": "é"},
        {"topic": "no topic"},
    ],
)
async def test_a_place_or_bytes_that_cannot_be_are_refused(
    api: Actors, changes: dict[str, Any]
) -> None:
    response = await api.control_logger.post("datasources", json=record(**changes))
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    assert response.json()["errors"][0]["location"] == f"body.{next(iter(changes))}"


async def test_a_stream_is_sent_to_another_deployment(
    api: Actors, outbox: OutboxReader
) -> None:
    model_id = await valid_model(api)
    await new_deployment(api, model_id)
    second = await new_deployment(api, model_id)
    fields = RAW_STREAM | {"validation_rate": 0.1, "test_rate": 0.2, "made_by": "sensor 7"}
    accepted(
        await api.control_logger.post("datasources", json=record(fields, of_key=b"\1"))
    )
    body = {"deployment_id": second["id"], "test_rate": 0.3}
    response = await api.editor.post("datasources/1/send", json=body)
    assert (response.status_code, response.json()["deployment_id"]) == (202, 1)
    assert await outbox.control_messages() == [
        (bytes([second["id"]]), fields | {"deployment_id": second["id"], "test_rate": 0.3})
    ]


async def test_rates_that_leave_nothing_are_refused(
    api: Actors, outbox: OutboxReader
) -> None:
    await new_deployment(api)
    fields = RAW_STREAM | {"validation_rate": 0.5}
    accepted(await api.control_logger.post("datasources", json=record(fields)))
    body = {"deployment_id": 1, "test_rate": 0.5}
    response = await api.editor.post("datasources/1/send", json=body)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    assert await outbox.control_messages() == []


async def test_a_stream_is_not_sent_to_where_nobody_waits(api: Actors) -> None:
    await new_deployment(api)
    accepted(await api.control_logger.post("datasources", json=record()))
    accepted(await api.editor.post("trainings/1/stop"))
    response = await api.editor.post("datasources/1/send", json={"deployment_id": 1})
    assert (response.status_code, code_of(response)) == (409, "deployment-over")
    response = await api.editor.post("datasources/1/send", json={"deployment_id": 99})
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


async def test_lists_are_filtered(api: Actors) -> None:
    await new_deployment(api)
    accepted(await api.control_logger.post("datasources", json=record()))
    bad = record(RAW_STREAM | {"deployment_id": 9}, offset=1)
    accepted(await api.control_logger.post("datasources", json=bad))

    async def listed(**params: int | str) -> list[int]:
        items = accepted(await api.viewer.get("datasources", params=params))["items"]
        return [each["id"] for each in items]

    assert await listed() == [2, 1]
    assert await listed(deployment_id=1) == [1]
    assert await listed(state="rejected") == [2]


async def test_an_unknown_datasource_is_not_found(api: Actors) -> None:
    await new_deployment(api)
    sent = await api.editor.post("datasources/99/send", json={"deployment_id": 1})
    assert code_of(sent) == code_of(await api.viewer.get("datasources/99")) == "not-found"
