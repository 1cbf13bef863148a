from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from api.config import ApiSettings
from api.exceptions import StartupError
from api.factory import create_app
from tests.api.actors import ADMIN_SECRET, Actors, client, code_of
from tests.api.scenarios import accepted


async def test_a_secret_is_shown_once(api: Actors) -> None:
    response = await api.admin.post("tokens", json={"name": "laptop", "scope": "editor"})
    assert response.status_code == 201
    token = response.json()
    secret = token.pop("secret")
    assert secret.startswith("kml_")
    assert secret.startswith(token["prefix"])
    assert len(secret) > 40
    listed = accepted(await api.admin.get("tokens"))["items"]
    assert listed[0] == token
    assert secret not in (await api.admin.get("tokens")).text
    async with client(api.transport, secret) as laptop:
        current = accepted(await laptop.get("tokens/current"))
    assert current["id"] == token["id"]
    assert current["last_used_at"] is not None


@pytest.mark.usefixtures("api")
async def test_the_database_has_no_secret(database_url: str) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    rows = await connection.fetch("SELECT * FROM token")
    await connection.close()
    assert not any(ADMIN_SECRET in str(row) for row in rows)


async def test_a_deleted_token_is_not_valid(api: Actors) -> None:
    token = accepted(await api.admin.post("tokens", json={"name": "x", "scope": "viewer"}))
    async with client(api.transport, token["secret"]) as caller:
        accepted(await caller.get("models"))
        assert (await api.admin.delete(f"tokens/{token['id']}")).status_code == 204
        response = await caller.get("models")
    assert (response.status_code, code_of(response)) == (401, "token-invalid")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert code_of(await api.admin.delete(f"tokens/{token['id']}")) == "not-found"


async def test_an_expired_token_is_not_valid(api: Actors, database_url: str) -> None:
    expires_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"name": "x", "scope": "viewer", "expires_at": expires_at}
    token = accepted(await api.admin.post("tokens", json=body))
    async with client(api.transport, token["secret"]) as caller:
        accepted(await caller.get("models"))
        connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        await connection.execute(
            "UPDATE token SET expires_at = now() - interval '1 second' WHERE id = $1",
            token["id"],
        )
        await connection.close()
        assert code_of(await caller.get("models")) == "token-invalid"


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "attempt"},
        {"scope": "root"},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00"},
        {"expires_at": "9999-12-31T23:59:59-23:59"},
        {"expires_at": "0001-01-01T00:00:00+23:59"},
        {"name": " blank "},
        {"name": ""},
        {"name": "x" * 101},
    ],
)
async def test_a_token_that_cannot_be_is_refused(
    api: Actors, fields: dict[str, str]
) -> None:
    body = {"name": "x", "scope": "viewer"} | fields
    response = await api.admin.post("tokens", json=body)
    assert (response.status_code, code_of(response)) == (422, "validation-failed")


async def test_use_is_noted_once_a_minute(api: Actors, database_url: str) -> None:
    async def last_used() -> object:
        return accepted(await api.viewer.get("tokens/current"))["last_used_at"]

    first = await last_used()
    assert await last_used() == first
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute(
        "UPDATE token SET last_used_at = last_used_at - interval '2 minutes'"
    )
    await connection.close()
    await last_used()
    assert str(await last_used()) >= str(first)


async def test_tokens_of_attempts_are_not_listed(api: Actors) -> None:
    accepted(await api.editor.post("models", json={"name": "m", "source": "s"}))
    checker = await api.attempt("kafkaml-check-1-1")
    current = accepted(await checker.get("tokens/current"))
    assert (current["scope"], current["name"]) == ("attempt", "kafkaml-check-1-1")
    listed = accepted(await api.admin.get("tokens"))["items"]
    assert {each["scope"] for each in listed} == {
        "admin",
        "control_logger",
        "editor",
        "orchestrator",
        "viewer",
    }
    assert code_of(await api.admin.delete(f"tokens/{current['id']}")) == "not-found"


async def test_a_first_admin_token_is_made_and_shown_once(
    settings: ApiSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    without = settings.model_copy(update={"admin_token": None})
    shown = []
    for _ in range(2):
        app = create_app(without)
        async with app.router.lifespan_context(app):
            error = capsys.readouterr().err
            shown.append([word for word in error.split() if word.startswith("kml_")])
    assert [len(secrets) for secrets in shown] == [1, 0]


async def test_a_token_of_the_settings_is_replaced_with_them(
    api: Actors, settings: ApiSettings
) -> None:
    accepted(await api.orchestrator.get("workloads"))
    other = SecretStr("another-secret-for-the-orchestrator")
    changed = create_app(settings.model_copy(update={"orchestrator_token": other}))
    async with changed.router.lifespan_context(changed):
        assert code_of(await api.orchestrator.get("workloads")) == "token-invalid"
        async with client(api.transport, other.get_secret_value()) as orchestrator:
            accepted(await orchestrator.get("workloads"))


async def test_two_services_cannot_share_a_secret(settings: ApiSettings) -> None:
    app = create_app(
        settings.model_copy(update={"control_logger_token": settings.orchestrator_token})
    )
    with pytest.raises(StartupError, match="a secret of its own"):
        async with app.router.lifespan_context(app):
            pass
