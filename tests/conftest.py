"""Real servers for tests, started when the first test asks for them."""

import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kafkaml_local.postgres import Postgres
from tests.support.servers import choose_folder, shared_servers

TESTS = Path(__file__).parent
# Folders whose tests share what takes long to make, so one process runs them all.
SHARED_FOLDERS = {"e2e", "trainer"}


def pytest_configure() -> None:
    # A run that is told to end still stops the servers that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    choose_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shared_servers().stop()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process run the tests of a file, or of a folder that shares more."""
    for item in items:
        path = item.path.relative_to(TESTS)
        group = path.parts[0] if path.parts[0] in SHARED_FOLDERS else str(path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def postgres_server() -> Postgres:
    """One Postgres for the whole run."""
    return shared_servers().postgres


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """An empty database of the test's own, as a URL for SQLAlchemy with asyncpg."""
    name = f"test_{secrets.token_hex(6)}"
    postgres_server.create_database(name)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def kafka_bootstrap() -> str:
    """The address of one real broker for the whole run."""
    return shared_servers().kafka.address


@pytest.fixture
def topic_name() -> Callable[[str], str]:
    """Make topic names that no other test has."""
    return lambda name: f"{name}-{secrets.token_hex(4)}"
