"""Projects of docker compose, and one that runs."""

import os
import secrets
from collections.abc import Iterator

import pytest

from kafkaml.client import Client

from .project import SECRETS, ComposeProject


@pytest.fixture(scope="session")
def project() -> ComposeProject:
    """A project with random secrets, of which nothing runs unless a test starts it."""
    settings = {name: secrets.token_hex(16) for name in SECRETS}
    return ComposeProject(name=f"kafka-ml-test-{os.getpid()}", settings=settings)


@pytest.fixture(scope="session")
def platform(project: ComposeProject) -> Iterator[ComposeProject]:
    """The whole platform, from the images that are there (see `make images`)."""
    try:
        project.up()
        yield project
    finally:
        project.run("down", "--volumes", "--remove-orphans")


@pytest.fixture
def client(platform: ComposeProject) -> Iterator[Client]:
    with Client(url=platform.url, token=platform.token) as client:
        yield client
