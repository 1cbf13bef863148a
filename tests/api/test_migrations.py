import asyncio

import pytest
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import Connection, text

from api.config import ApiSettings, DatabaseSettings
from api.exceptions import SchemaOutdatedError, UnavailableError
from api.factory import create_app
from api.migrate import migrate_when_ready
from api.storage.database import make_engine
from api.storage.schema import MIGRATION_LOCK, MIGRATIONS, expected_revision


def alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def settings_for(url: str) -> DatabaseSettings:
    return DatabaseSettings(database_url=SecretStr(url), database_wait="PT0.5S")


async def test_the_migrations_make_the_schema_of_the_tables(postgres_url: str) -> None:
    settings = settings_for(postgres_url)
    await migrate_when_ready(settings)
    engine = make_engine(settings)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.check(alembic_config(sync)))
    async with engine.begin() as connection:
        await connection.run_sync(
            lambda sync: command.downgrade(alembic_config(sync), "base")
        )
        left = await connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        assert set(left) == {"alembic_version"}
    await engine.dispose()


async def test_migrating_at_the_same_time_and_again_is_harmless(postgres_url: str) -> None:
    settings = settings_for(postgres_url)
    await asyncio.gather(*(migrate_when_ready(settings) for _ in range(3)))
    engine = make_engine(settings)
    async with engine.connect() as connection:
        before = (await connection.execute(text("SELECT * FROM platform"))).one()
        await migrate_when_ready(settings)
        assert (await connection.execute(text("SELECT * FROM platform"))).one() == before
    await engine.dispose()


async def test_a_migration_may_take_longer_than_a_request(postgres_url: str) -> None:
    settings = DatabaseSettings(
        database_url=SecretStr(postgres_url),
        database_wait="PT5S",
        database_statement_timeout="PT0.2S",
    )
    engine = make_engine(settings_for(postgres_url))
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        migrating = asyncio.create_task(migrate_when_ready(settings))
        await asyncio.sleep(1.5)
        assert not migrating.done()
    await migrating
    await engine.dispose()


async def test_what_was_made_before_is_kept_and_gets_an_identity(postgres_url: str) -> None:
    settings = settings_for(postgres_url)
    await migrate_when_ready(settings)
    engine = make_engine(settings)
    async with engine.begin() as connection:
        await connection.run_sync(
            lambda sync: command.downgrade(alembic_config(sync), "0001")
        )
        await connection.execute(
            text(
                "INSERT INTO model (name, description, version_number) "
                "VALUES ('before', '', 1)"
            )
        )
    await migrate_when_ready(settings)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT name FROM model")) == "before"
        assert await connection.scalar(text("SELECT id FROM platform")) is not None
    await engine.dispose()


async def test_the_api_does_not_start_on_another_schema(
    postgres_url: str, settings: ApiSettings
) -> None:
    changed = settings.model_copy(
        update=settings_for(postgres_url).model_dump(
            include={"database_url", "database_wait"}
        )
    )
    app = create_app(changed)
    with pytest.raises(SchemaOutdatedError, match="kafkaml-migrate"):
        async with app.router.lifespan_context(app):
            pass


async def test_a_database_that_never_comes_ends_the_wait() -> None:
    nowhere = settings_for("postgresql+asyncpg://u:p@127.0.0.1:1/none")
    with pytest.raises(UnavailableError):
        await migrate_when_ready(nowhere)


def test_there_is_one_newest_revision() -> None:
    assert expected_revision() == "0011"
