"""Whether the database can be used, and has the schema that the code needs."""

import asyncio
import time
from datetime import timedelta
from functools import cache

import structlog

from api.exceptions import SchemaOutdatedError, StartupError, UnavailableError
from api.storage.database import Database
from api.storage.schema import expected_revision, found_revision
from kafkaml.backoff import Backoff, is_set_within

READY_TIMEOUT = timedelta(seconds=2)

logger = structlog.get_logger(__name__)


async def check_ready(database: Database) -> None:
    """Return if requests can be served; raise UnavailableError."""
    try:
        async with asyncio.timeout(READY_TIMEOUT.total_seconds()):
            await check_schema(database)
    except TimeoutError as e:
        raise UnavailableError("The database did not answer in time") from e
    except SchemaOutdatedError as e:
        raise UnavailableError("The database waits for a migration") from e


async def check_schema(database: Database) -> None:
    """Return if the schema is that of the code; raise SchemaOutdatedError."""
    async with database.connection() as connection:
        found = await found_revision(connection)
    expected = _expected()
    if found != expected:
        raise SchemaOutdatedError(found=found, expected=expected)


async def wait_until_ready(
    database: Database, *, longest: timedelta, stopping: asyncio.Event
) -> None:
    """Wait for the database and its schema; raise what was wrong when the time is up.

    Raise StartupError if the process is told to end meanwhile.
    """
    deadline = time.monotonic() + longest.total_seconds()
    backoff = Backoff()
    while True:
        try:
            await check_schema(database)
        except (UnavailableError, SchemaOutdatedError) as e:
            delay = backoff.next_delay()
            if time.monotonic() + delay > deadline:
                raise
            logger.warning("database_not_ready", reason=str(e))
            if await is_set_within(stopping, delay):
                raise StartupError("It was told to end before it was ready.") from e
        else:
            return


@cache
def _expected() -> str:
    return expected_revision()
