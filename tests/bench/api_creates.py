"""Create-requests per second of the API, over FastAPI and asyncpg alone."""

import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from tests.bench.load import LoadResult, post, run_load
from tests.support.platform import RunningPlatform

from kafkaml.client import Client

ROUNDS = 5
COUNT = 800
CONNECTIONS = 8


def measure(platform: RunningPlatform) -> list[str]:
    """Return the lines of the report."""
    database = platform.process("api").environ()["KAFKA_ML_DATABASE_URL"]
    with Client(url=platform.url, token=platform.token) as client:
        model = client.models.create(name="bench", source="model = None")
    with _bare_server(database.replace("+asyncpg", "")) as bare_url:
        bare, ours = [], []
        for _ in range(ROUNDS):
            bare.append(_round(bare_url, "/things", "", model.id))
            ours.append(
                _round(platform.url, "/api/v1/configurations", platform.token, model.id)
            )
    ratio = statistics.median(
        one.requests_per_second / two.requests_per_second
        for one, two in zip(ours, bare, strict=True)
    )
    return [
        f"bare FastAPI + asyncpg        {_show(bare)}",
        f"POST /api/v1/configurations   {_show(ours)}",
        f"ratio ours / bare             {ratio:.2f}",
    ]


def _show(results: list[LoadResult]) -> str:
    rate = statistics.median(each.requests_per_second for each in results)
    p50 = statistics.median(each.p50_ms for each in results)
    p99 = statistics.median(each.p99_ms for each in results)
    return f"{rate:8.0f} requests/s   p50 {p50:.1f} ms   p99 {p99:.1f} ms"


def _round(url: str, path: str, token: str, model_id: int) -> LoadResult:
    run = secrets.token_hex(4)

    def request(number: int) -> bytes:
        body = json.dumps({"name": f"bench-{run}-{number}", "model_ids": [model_id]})
        return post(url, path, body.encode(), {"Authorization": f"Bearer {token}"})

    return asyncio.run(run_load(url, request, count=COUNT, connections=CONNECTIONS))


@contextmanager
def _bare_server(database_url: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asyncio.run(_create_bare_database(database_url))
    target = database_url.rsplit("/", 1)[0] + "/bare"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "uvicorn",
            "--port",
            str(port),
            "--no-access-log",
            "bare_insert:app",
        ],
        cwd=Path(__file__).parent,
        env=os.environ | {"DATABASE_URL": target},
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(_wait_for(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def _create_bare_database(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("create database bare")
    await connection.close()


async def _wait_for(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return
