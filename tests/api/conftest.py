"""The real app on a real database of the test's own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import structlog
from fastapi import FastAPI
from pydantic import SecretStr

from api.config import ApiSettings, DatabaseSettings
from api.factory import build_components, create_app
from api.migrate import migrate_when_ready
from api.tables import METADATA
from kafkaml_local.postgres import Postgres
from tests.api.actors import (
    ADMIN_SECRET,
    CONTROL_LOGGER_SECRET,
    ORCHESTRATOR_SECRET,
    Actors,
)
from tests.api.outbox_reader import OutboxReader

EMPTY_ALL_TABLES = ";".join(
    [
        *(
            f"DELETE FROM {table.name}"
            for table in reversed(METADATA.sorted_tables)
            if table.name != "platform"
        ),
        *(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), 1, false)"
            for table in METADATA.sorted_tables
            if "id" in table.columns
        ),
    ]
)


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Log as the process does: without drawing every local variable of a traceback."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


@pytest.fixture(scope="session")
def migrated_database(postgres_server: Postgres) -> Iterator[str]:
    """The URL of a database with the newest schema, for all tests of the run."""
    name = f"api_{secrets.token_hex(6)}"
    postgres_server.create_database(name)
    url = postgres_server.url(name)
    asyncio.run(migrate_when_ready(DatabaseSettings(database_url=SecretStr(url))))
    yield url
    postgres_server.drop_database(name)


@pytest.fixture
async def database_url(migrated_database: str) -> str:
    """The same database, emptied for one test: much faster than a new one."""
    connection = await asyncpg.connect(migrated_database.replace("+asyncpg", ""))
    await connection.execute(EMPTY_ALL_TABLES)
    await connection.close()
    return migrated_database


@pytest.fixture
def settings(database_url: str) -> ApiSettings:
    return ApiSettings(
        database_url=SecretStr(database_url),
        artifacts_url="memory://",
        bootstrap_servers="127.0.0.1:1",
        admin_token=SecretStr(ADMIN_SECRET),
        orchestrator_token=SecretStr(ORCHESTRATOR_SECRET),
        control_logger_token=SecretStr(CONTROL_LOGGER_SECRET),
        max_artifact_bytes=1_000_000,
        max_checkpoint_bytes=1_000_000,
    )


@pytest.fixture(scope="session")
def shared_app() -> FastAPI:
    """The app with all its routes, made once: every test gives it its own components."""
    nowhere = SecretStr("postgresql+asyncpg://127.0.0.1:1/none")
    return create_app(ApiSettings(database_url=nowhere, artifacts_url="memory://"))


@pytest.fixture
async def app(shared_app: FastAPI, settings: ApiSettings) -> AsyncIterator[FastAPI]:
    shared_app.state.components = build_components(settings)
    async with shared_app.router.lifespan_context(shared_app):
        yield shared_app


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[Actors]:
    async with Actors.of(app) as actors:
        yield actors


@pytest.fixture
def outbox(database_url: str) -> OutboxReader:
    return OutboxReader(database_url)
