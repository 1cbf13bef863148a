"""A killed API loses nothing that it acknowledged, and does nothing twice."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from kafkaml.client import Client
from tests.integration.api_process import ADMIN, ApiServer

KILLS = 6
WRITERS = 6


@pytest.fixture
def server(postgres_url: str, tmp_path: Path) -> ApiServer:
    """An API whose relay does not run, so that its events stay in the outbox."""
    server = ApiServer(
        database_url=postgres_url, bootstrap_servers="127.0.0.1:1", folder=tmp_path
    )
    server.migrate()
    return server


async def test_what_was_acknowledged_is_there_once(
    server: ApiServer, postgres_url: str
) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(_write, server.url, each, stop) for each in range(WRITERS)]
        try:
            _kill_again_and_again(server)
            with server.running():
                stop.set()
                acknowledged = [name for each in writers for name in each.result(120)]
                with Client(url=server.url, token=ADMIN) as client:
                    found = {model.name: model for model in client.models.list()}
        finally:
            stop.set()
    assert len(acknowledged) > KILLS
    assert set(acknowledged) == set(found)
    assert {model.version.number for model in found.values()} == {1}
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    events = await connection.fetch("select convert_from(key, 'UTF8') as about from outbox")
    await connection.close()
    assert sorted(each["about"] for each in events) == sorted(
        f"models/{model.id}" for model in found.values()
    )


def _kill_again_and_again(server: ApiServer) -> None:
    for _ in range(KILLS):
        with server.running() as process:
            with Client(url=server.url, token=ADMIN, retry_for=60) as client:
                client.tokens.current()
            time.sleep(random.uniform(0.05, 0.8))
            process.kill()


def _write(url: str, writer: int, stop: threading.Event) -> list[str]:
    """Create models until told to stop; return the names that were acknowledged."""
    names: list[str] = []
    with Client(url=url, token=ADMIN, retry_for=timedelta(minutes=2)) as client:
        while not stop.is_set():
            name = f"model-{writer}-{len(names)}"
            client.models.create(name=name, source="model = None")
            names.append(name)
    return names
