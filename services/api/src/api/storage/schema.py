"""The version of the database schema."""

from collections.abc import Iterable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Migrations belong to the package, so that they are found wherever it is installed.
MIGRATIONS = Path(__file__).parent.parent / "migrations"

MIGRATION_LOCK = 0x6B61666D


def expected_revision() -> str:
    """Return the revision that this code was written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise LookupError(f"{MIGRATIONS} holds no migration")
    return head


async def found_revision(connection: AsyncConnection) -> str | None:
    """Return the revision that the database has; None before the first migration."""
    if await connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if revision is None else str(revision)


async def migrate(connection: AsyncConnection) -> None:
    """Bring the schema to the newest revision; only one process does so at a time."""
    await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
    await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connections=[connection]), "head")


def _config(connections: Iterable[Connection] = ()) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    for connection in connections:
        config.attributes["connection"] = connection
    return config
