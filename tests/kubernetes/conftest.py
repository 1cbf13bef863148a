"""The platform in a cluster, installed once for all tests of this folder.

`platform` is the installation: `platform.url`, `.token` and `.bootstrap_servers` reach it
from this machine, also while its pods are replaced; `.apply({"KAFKA_ML_…": "…"})` changes
settings, `.restart("api")` and `.scale("orchestrator", 0)` act on parts. `client` is a
client of its API. `kubectl`, `get`, `find`, `patch` and `create` of `.kubectl` do the rest:
`find(WORKLOADS, "pods", "kafka-ml/id=1")`. Leave the platform as you found it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kafkaml.client import Client

from .installation import Installation
from .turn import own_turn

INSTALL_SECONDS = 600
FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before those are left out that have the marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.kubernetes)
            # The first of them installs the platform.
            item.add_marker(pytest.mark.timeout(INSTALL_SECONDS))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The platform, ready; removed at the end with all that it made."""
    installed = Installation(directory=tmp_path_factory.mktemp("kustomization"))
    with own_turn():
        try:
            installed.install()
            yield installed
        finally:
            installed.close()
            installed.remove()


@pytest.fixture
def client(platform: Installation) -> Iterator[Client]:
    with Client(url=platform.url, token=platform.token) as client:
        yield client
