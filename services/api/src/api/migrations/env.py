"""What Alembic runs: on the connection that it is given, else on one of its own."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from api.config import DatabaseSettings
from api.storage.database import make_engine
from api.tables.metadata import METADATA


def run(connection: Connection) -> None:
    """Run the migrations in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_from_settings() -> None:
    """Run the migrations on the database that the settings name."""
    engine = make_engine(DatabaseSettings())
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_from_settings())
