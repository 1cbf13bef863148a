"""Two processes of the API behind one address, on one database and one folder."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import delete

from api.config import ApiSettings, DatabaseSettings
from api.factory import build_components, create_app
from api.migrate import migrate_when_ready
from api.services.first_tokens import FirstTokens
from api.tables.token_row import TokenRow
from kafkaml.schemas.tokens import Scope
from tests.api.actors import ADMIN_SECRET, Actors, client, code_of
from tests.api.scenarios import (
    ARTIFACT,
    ARTIFACT_SHA256,
    accepted,
    new_training,
    result_report,
    trainer_of,
    upload,
)

TIMEOUT = 60.0


@pytest.fixture
def settings(settings: ApiSettings, tmp_path: Path) -> ApiSettings:
    return settings.model_copy(update={"artifacts_url": (tmp_path / "a").as_uri()})


@pytest.fixture
async def other(api: Actors, settings: ApiSettings) -> AsyncIterator[httpx.ASGITransport]:
    """A second process, which has started after the first."""
    assert api
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield httpx.ASGITransport(app)


async def test_what_one_makes_the_other_knows_at_once(
    api: Actors, other: httpx.ASGITransport
) -> None:
    token = accepted(
        await api.admin.post("tokens", json={"name": "new", "scope": "editor"})
    )
    async with client(other, token["secret"]) as editor:
        model = {"name": "anywhere", "source": "model = 1"}
        made = accepted(await editor.post("models", json=model))
        assert accepted(await api.viewer.get(f"models/{made['id']}")) == made
        accepted(await api.admin.delete(f"tokens/{token['id']}"))
        assert code_of(await editor.get("models")) == "token-invalid"


async def test_a_call_that_is_repeated_elsewhere_has_one_effect(
    api: Actors, other: httpx.ASGITransport
) -> None:
    headers = {"Idempotency-Key": "made-once"}
    model = {"name": "once", "source": "model = 1"}
    async with client(other, ADMIN_SECRET) as admin:
        answers = await asyncio.gather(
            *(
                each.post("models", json=model, headers=headers)
                for each in (api.admin, admin, api.admin, admin)
            )
        )
    first, *others = [accepted(each) for each in answers]
    assert others == [first] * 3
    assert len(accepted(await api.viewer.get("models"))["items"]) == 1


async def test_an_attempt_may_speak_to_either(
    api: Actors, other: httpx.ASGITransport
) -> None:
    training_id = await new_training(api)
    trainer = await trainer_of(api, training_id)
    secret = trainer.headers["Authorization"].removeprefix("Bearer ")
    async with client(other, secret) as elsewhere:
        await upload(trainer)
        accepted(await elsewhere.post("attempts/current/result", json=result_report()))
    async with client(other, ADMIN_SECRET) as admin:
        content = await admin.get(f"trainings/{training_id}/artifact")
    assert hashlib.sha256(content.content).hexdigest() == ARTIFACT_SHA256
    assert content.content == ARTIFACT


async def test_all_may_start_for_the_first_time_at_once(
    settings: ApiSettings, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = settings.model_copy(
        update={"database_url": SecretStr(postgres_url), "admin_token": None}
    )
    apps = [create_app(first) for _ in range(3)]
    async with AsyncExitStack() as stack:
        starting = [_start(stack, app) for app in apps]
        migrating = migrate_when_ready(DatabaseSettings(database_url=first.database_url))
        await asyncio.wait_for(asyncio.gather(migrating, *starting), TIMEOUT)
        error = capsys.readouterr().err
    assert len([word for word in error.split() if word.startswith("kml_")]) == 1


async def _start(stack: AsyncExitStack, app: FastAPI) -> None:
    await stack.enter_async_context(app.router.lifespan_context(app))


async def test_the_first_tokens_of_the_settings_may_be_put_at_once(
    settings: ApiSettings, postgres_url: str
) -> None:
    empty = settings.model_copy(update={"database_url": SecretStr(postgres_url)})
    await migrate_when_ready(DatabaseSettings(database_url=empty.database_url))
    components = build_components(empty)
    services = (Scope.ADMIN, Scope.ORCHESTRATOR, Scope.CONTROL_LOGGER)
    secrets = {scope: SecretStr(f"the secret of {scope}") for scope in services}
    first_tokens = FirstTokens(units=components.units, secrets=secrets)
    for _ in range(8):
        await asyncio.gather(*(first_tokens.prepare() for _ in range(4)))
        async with components.database.transaction() as session:
            await session.execute(delete(TokenRow))
    await components.database.dispose()
