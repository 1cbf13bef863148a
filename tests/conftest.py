"""Real servers for tests, started when the first test asks for them."""

import secrets
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from kafkaml_local.kafka import Kafka
from kafkaml_local.ports import free_port
from kafkaml_local.postgres import Postgres

START_TIMEOUT = timedelta(seconds=60)


def pytest_configure() -> None:
    # A run that is told to end still stops the servers that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One Postgres for the whole run."""
    server = Postgres(
        directory=tmp_path_factory.mktemp("postgres"), port=free_port(), durable=False
    )
    try:
        server.start()
        server.wait_ready(START_TIMEOUT)
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """An empty database of the test's own, as a URL for SQLAlchemy with asyncpg."""
    name = f"test_{secrets.token_hex(6)}"
    postgres_server.create_database(name)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one real broker for the whole run."""
    port = free_port()
    server = Kafka(
        directory=tmp_path_factory.mktemp("kafka"),
        port=port,
        controller_port=free_port(taken=[port]),
    )
    try:
        server.start()
        server.wait_ready(START_TIMEOUT)
        yield server.address
    finally:
        server.stop()


@pytest.fixture
def topic_name() -> Callable[[str], str]:
    """Make topic names that no other test has."""
    return lambda name: f"{name}-{secrets.token_hex(4)}"
