"""The database: connections, transactions, and what its errors mean to a caller."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from api.config import DatabaseSettings
from api.exceptions import ConflictError, UnavailableError

APPLICATION_NAME = "kafka-ml"

# SQLSTATE classes and codes that pass by themselves: lost connections (08), serialization
# failures and deadlocks (40), too many connections (53), timeouts of statements, locks and
# idle transactions, and a server that goes down or comes up (57P).
_PASSING = ("08", "25P03", "40001", "40P01", "53", "55P03", "57014", "57P")
_UNIQUE_VIOLATION = "23505"
_FOREIGN_KEY_VIOLATION = ("23503", "23001")


def _dump_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def make_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Return an engine with a bounded pool and a timeout on every wait."""
    milliseconds = round(settings.database_statement_timeout.total_seconds() * 1000)
    return create_async_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout.total_seconds(),
        pool_recycle=1800,
        json_serializer=_dump_json,
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": settings.database_connect_timeout.total_seconds(),
            "command_timeout": 2 * settings.database_statement_timeout.total_seconds(),
            "server_settings": {
                "application_name": APPLICATION_NAME,
                "statement_timeout": str(milliseconds),
                "idle_in_transaction_session_timeout": str(4 * milliseconds),
            },
        },
    )


class Database:
    """Gives out transactions."""

    def __init__(self, *, engine: AsyncEngine) -> None:
        self._engine = engine
        self._transactions = async_sessionmaker(engine, expire_on_commit=False)
        self._statements = async_sessionmaker(
            engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction: committed at the end, rolled back on an error.

        Raise UnavailableError where trying again can help.
        """
        with translated_errors():
            async with self._transactions.begin() as session:
                yield session

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncSession]:
        """Open a session for single statements, each of which is its own transaction."""
        with translated_errors():
            async with self._statements() as session:
                yield session

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection without ORM."""
        with translated_errors():
            async with self._engine.connect() as connection:
                yield connection

    async def ping(self) -> None:
        """Return once the database has answered; raise UnavailableError if it does not."""
        async with self.statement() as session:
            await session.execute(text("SELECT 1"))

    async def dispose(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn errors of the driver into answers: `unavailable` where trying again helps."""
    try:
        yield
    except IntegrityError as e:
        raise ConflictError(
            "Another request changed the same things meanwhile. Look again and repeat."
        ) from e
    except DBAPIError as e:
        if not _is_passing(e):
            raise
        raise UnavailableError("The database did not answer in time") from e
    except PoolTimeoutError as e:
        raise UnavailableError("All connections to the database are busy") from e
    except (ConnectionError, TimeoutError) as e:
        raise UnavailableError("The database cannot be reached") from e


def is_unique_violation(error: IntegrityError) -> bool:
    """Say whether a row with the same unique value exists."""
    return sqlstate_of(error) == _UNIQUE_VIOLATION


def is_foreign_key_violation(error: IntegrityError) -> bool:
    """Say whether a row is named that does not exist, or one is named elsewhere."""
    return sqlstate_of(error) in _FOREIGN_KEY_VIOLATION


def sqlstate_of(error: DBAPIError) -> str:
    """Return the five characters that Postgres names an error by; empty if none came."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def _is_passing(error: DBAPIError) -> bool:
    state = sqlstate_of(error)
    return error.connection_invalidated or state.startswith(_PASSING)
