"""The process that brings the database schema up to date, and ends."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from api.config import DatabaseSettings
from api.exceptions import UnavailableError
from api.storage.database import Database, make_engine
from api.storage.schema import expected_revision, migrate
from kafkaml.backoff import Backoff
from kafkaml.config import LogSettings
from kafkaml.logging import configure_logging

# Another process may be at it, and a large table takes its time.
LONGEST_STATEMENT = timedelta(hours=1)

logger = structlog.get_logger(__name__)


async def migrate_when_ready(settings: DatabaseSettings) -> None:
    """Wait for Postgres, then migrate; raise UnavailableError if it does not come."""
    async with _connected(settings) as database:
        await _wait(database, settings)
    patient = settings.model_copy(update={"database_statement_timeout": LONGEST_STATEMENT})
    async with (
        _connected(patient) as database,
        database.connection() as connection,
        connection.begin(),
    ):
        await migrate(connection)
    logger.info("migrated", revision=expected_revision())


@asynccontextmanager
async def _connected(settings: DatabaseSettings) -> AsyncIterator[Database]:
    database = Database(engine=make_engine(settings))
    try:
        yield database
    finally:
        await database.dispose()


async def _wait(database: Database, settings: DatabaseSettings) -> None:
    deadline = time.monotonic() + settings.database_wait.total_seconds()
    backoff = Backoff()
    while True:
        try:
            await database.ping()
        except UnavailableError as e:
            delay = backoff.next_delay()
            if time.monotonic() + delay > deadline:
                raise
            logger.warning("database_not_ready", reason=str(e))
            await asyncio.sleep(delay)
        else:
            return


def main() -> None:
    """Run the migrations."""
    configure_logging(LogSettings())
    asyncio.run(migrate_when_ready(DatabaseSettings()))


if __name__ == "__main__":
    main()
