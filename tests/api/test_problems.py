"""Bad requests: each is answered by a problem document, and by nothing else."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.api.actors import BASE_URL, Actors, code_of
from tests.api.scenarios import accepted, new_model

JSON = {"Content-Type": "application/json"}


async def test_an_unknown_path_is_a_problem(api: Actors) -> None:
    for path in ("nothing", "models/1/nothing", "../v2/models"):
        response = await api.viewer.get(path)
        assert (response.status_code, code_of(response)) == (404, "not-found")


async def test_an_unknown_method_is_a_problem(api: Actors) -> None:
    response = await api.viewer.put("models")
    assert (response.status_code, code_of(response)) == (405, "method-not-allowed")
    assert response.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize("number", ["0", "-1", str(2**63), "1.5", "x", "%00", "1" * 5000])
async def test_ids_that_cannot_be_are_refused(api: Actors, number: str) -> None:
    for path in ("models", "configurations", "deployments", "trainings", "inferences"):
        response = await api.viewer.get(f"{path}/{number}")
        assert (response.status_code, code_of(response)) == (422, "validation-failed")
        assert response.json()["errors"][0]["location"].startswith("path.")


async def test_the_largest_id_is_only_not_found(api: Actors) -> None:
    for path in ("models", "configurations", "deployments", "trainings", "inferences"):
        assert code_of(await api.viewer.get(f"{path}/{2**63 - 1}")) == "not-found"


MODEL = {"name": "m", "source": "model = 1"}


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"surprise": 1}, "body.surprise"),
        ({"name": 5}, "body.name"),
        ({"name": ""}, "body.name"),
        ({"name": " m"}, "body.name"),
        ({"name": "a\nb"}, "body.name"),
        ({"name": "a\u202eb"}, "body.name"),
        ({"name": "x" * 101}, "body.name"),
        ({"name": "nul\x00"}, "body.name"),
        ({"name": None}, "body.name"),
        ({"description": "x" * 10_001}, "body.description"),
        ({"source": ""}, "body.source"),
        ({"source": "x" * (256 * 1024 + 1)}, "body.source"),
        ({"source": ["model"]}, "body.source"),
    ],
)
async def test_a_field_that_cannot_be_is_named(
    api: Actors, changes: dict[str, Any], location: str
) -> None:
    response = await api.editor.post("models", json=MODEL | changes)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    assert [each["location"] for each in response.json()["errors"]] == [location]


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"epochs": "3"},
        {"epochs": 2.0},
        {"validation_rate": 0.6, "test_rate": 0.4},
        {"resources": {"cpu": "lots"}},
        {"resources": {"memory": "1Zi"}},
        {"fit": {"class_weight": {"one": 1.0}}},
        {"fit": {"callbacks": []}},
        {"configuration_id": True},
        {"max_attempts": 10**30},
    ],
)
async def test_parameters_that_cannot_be_are_refused(
    api: Actors, changes: dict[str, Any]
) -> None:
    response = await api.editor.post("deployments", json={"configuration_id": 1} | changes)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"",
        b"[]",
        b"null",
        b'"text"',
        b'{"name": "\\ud800", "source": "x"}',
        b'{"name": "a\xed\xa0\x80", "source": "x"}',
        b'{"name": "\xff", "source": "x"}',
        b'{"name": "a", "source": "\\u0000"}',
        b'{"name": "a", "source": "x", "\\u0000": 1}',
        b'{"name": NaN, "source": "x"}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        '{"name": "a", "source": "x"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"name": "a", "source": "x"}',
    ],
)
async def test_a_body_that_is_no_sound_json_is_refused(api: Actors, body: bytes) -> None:
    response = await api.editor.post("models", content=body, headers=JSON)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")
    assert response.json()["errors"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_of_another_type_is_refused(api: Actors, media_type: str) -> None:
    response = await api.editor.post(
        "models",
        content=b'{"name": "a", "source": "x"}',
        headers={"Content-Type": media_type},
    )
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


async def test_a_body_that_is_too_large_is_refused(api: Actors) -> None:
    response = await api.editor.post("models", content=b" " * (2**20 + 1), headers=JSON)
    assert (response.status_code, code_of(response)) == (413, "body-too-large")


async def test_a_body_that_grows_too_large_is_refused(api: Actors) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 65_536

    response = await api.editor.post("models", content=endless(), headers=JSON)
    assert (response.status_code, code_of(response)) == (413, "body-too-large")


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "many"},
    ],
)
async def test_a_limit_that_cannot_be_is_refused(
    api: Actors, params: dict[str, str | int]
) -> None:
    response = await api.viewer.get("models", params=params)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


async def test_what_breaks_inside_is_not_told(
    api: Actors, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await new_model(api)
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.execute("UPDATE model_version SET state = 'bewitched'")
        response = await api.viewer.get("models/1")
    finally:
        await connection.execute("UPDATE model_version SET state = 'checking'")
        await connection.close()
    assert (response.status_code, code_of(response)) == (500, "internal")
    assert "bewitched" not in response.text
    assert "Traceback" in caplog.text
    assert "bewitched" in caplog.text


async def test_lost_connections_are_no_mistake_of_ours(
    api: Actors, database_url: str
) -> None:
    await new_model(api)
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    response = await api.viewer.get("models")
    assert (response.status_code, code_of(response)) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    assert len(accepted(await api.viewer.get("models"))["items"]) == 1


async def test_the_problem_document_is_complete(api: Actors) -> None:
    response = await api.viewer.get("models/7")
    assert response.json() == {
        "type": "urn:kafka-ml:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no model 7. It may have been deleted.",
        "instance": "/api/v1/models/7",
        "errors": [],
    }


async def test_the_answer_to_a_bad_request_does_not_repeat_it(api: Actors) -> None:
    response = await api.editor.post("models", json=MODEL | {"name": ["<script>"]})
    assert "<script>" not in response.text


async def test_problems_outside_of_the_api_are_problems_too(
    api: Actors,
) -> None:
    root = httpx.URL(BASE_URL).copy_with(path="/nowhere")
    response = await api.anonymous.get(root)
    assert (response.status_code, code_of(response)) == (404, "not-found")
