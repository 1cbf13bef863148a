"""The whole platform, started once for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from kafkaml.client import Client
from tests.support.platform import RunningPlatform


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """All parts, each a process of its own."""
    running = RunningPlatform(tmp_path_factory.mktemp("platform"))
    try:
        running.up()
        yield running
    finally:
        running.run("down")


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    with Client(url=platform.url, token=platform.token) as client:
        yield client
