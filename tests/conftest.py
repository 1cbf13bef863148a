"""Real servers for tests, started when the first test asks for them."""

import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from kafkaml_local.postgres import Postgres
from tests.support.servers import choose_folder, shared_servers

TESTS = Path(__file__).parent
# The platform of these takes long to start, so one process runs them all.
SHARED_FOLDERS = {"e2e"}
# What takes longest comes first: the rest can then be divided so that no process idles.
LONGEST = ("e2e", "trainer")


def pytest_configure() -> None:
    # A run that is told to end still stops the servers that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    choose_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shared_servers().stop()


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Lets one process run the tests of a file, or of a folder that shares more.

    xdist itself would do so with markers, but does not find them in this pytest any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = PurePath(file).parts[1]
        return folder if folder in SHARED_FOLDERS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that take longest; leave the order of the others."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)


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
