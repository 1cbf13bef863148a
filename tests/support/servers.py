"""One Postgres and one Kafka for a whole run, whatever the number of its processes."""

import os
import shutil
import tempfile
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path

from kafkaml_local.home import Home, Ports
from kafkaml_local.kafka import Kafka
from kafkaml_local.postgres import Postgres
from tests.support.ports import make_home

FOLDER_VARIABLE = "KAFKA_ML_TEST_SERVERS"
START_TIMEOUT = timedelta(seconds=90)


def choose_folder() -> None:
    """Choose where the servers are; processes that are started later inherit the choice."""
    if FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="kafka-ml-tests-")


@cache
def shared_servers() -> "SharedServers":
    """Return the servers of this run."""
    return SharedServers(Path(os.environ[FOLDER_VARIABLE]))


class SharedServers:
    """Servers that are started when the first test asks for them.

    The processes of a run share them by the folder that an environment variable names.
    """

    def __init__(self, folder: Path) -> None:
        self._home = Home(folder)

    @cached_property
    def postgres(self) -> Postgres:
        """The database server, running."""
        with self._home.lock(START_TIMEOUT):
            server = self._postgres(self._ports())
            server.start()
            server.wait_ready(START_TIMEOUT)
        return server

    @cached_property
    def kafka(self) -> Kafka:
        """The broker, running."""
        with self._home.lock(START_TIMEOUT):
            server = self._kafka(self._ports())
            server.start()
            server.wait_ready(START_TIMEOUT)
        return server

    def stop(self) -> None:
        """Stop what runs, and remove all of it."""
        ports = self._ports()
        self._kafka(ports).stop()
        self._postgres(ports).stop()
        shutil.rmtree(self._home.path)

    def _ports(self) -> Ports:
        if not (self._home.path / "ports.json").exists():
            make_home(self._home)
        return self._home.ports()

    def _postgres(self, ports: Ports) -> Postgres:
        folder = self._home.part("postgres")
        return Postgres(directory=folder, port=ports.postgres, durable=False)

    def _kafka(self, ports: Ports) -> Kafka:
        return Kafka(
            directory=self._home.part("kafka"),
            port=ports.kafka,
            controller_port=ports.kafka_controller,
        )
