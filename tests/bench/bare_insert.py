"""The baseline of the API: FastAPI and asyncpg with nothing in between.

It does what creating a configuration does at the least: one transaction with a row for the
thing and a row for the outbox. Run by `uvicorn bare_insert:app`; DATABASE_URL names
Postgres.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request
from pydantic import BaseModel

SCHEMA = """
create table if not exists bare_thing (
    id bigserial primary key, name text unique, body jsonb
);
create table if not exists bare_outbox (id bigserial primary key, key text, value jsonb);
"""


class Thing(BaseModel):
    """A body like that of a configuration."""

    name: str
    description: str = ""
    model_ids: list[int]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open a pool of the same size as the API's."""
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=5, max_size=10
    ) as pool:
        await pool.execute(SCHEMA)
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/things", status_code=201)
async def create_thing(thing: Thing, request: Request) -> dict[str, object]:
    """Insert two rows in one transaction."""
    body = thing.model_dump_json()
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        thing_id = await connection.fetchval(
            "insert into bare_thing (name, body) values ($1, $2) returning id",
            thing.name,
            body,
        )
        await connection.execute(
            "insert into bare_outbox (key, value) values ($1, $2)",
            f"things/{thing_id}",
            json.dumps({"id": thing_id}),
        )
    return {"id": thing_id} | thing.model_dump()
