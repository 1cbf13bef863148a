"""The services of Kafka-ML as processes of this machine."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from kafkaml_local.exceptions import PartError
from kafkaml_local.files import make_private_folder
from kafkaml_local.home import Home
from kafkaml_local.ports import LOCALHOST
from kafkaml_local.processes import BackgroundProcess

PREFIX = "KAFKA_ML_"
SETTLE_SECONDS = 1.0
DATABASE = "kafka_ml"
ORCHESTRATOR = "orchestrator"
# What users of one machine may set, too; all else would be of another platform.
USER_SETTINGS = (
    "INFERENCER_SETTINGS",
    "TRAINER_SETTINGS",
    "PREDICT_AUTH",
    "KAFKA_CLUSTERS",
    "SCHEMA_REGISTRY_URL",
    "SCHEMA_REGISTRY_USERNAME",
    "SCHEMA_REGISTRY_PASSWORD",
    "SCHEMA_REGISTRY_CA_LOCATION",
    "WARM_START",
    "WARM_IDLE",
)


class Service:
    """A part that is a Python module: what it is started with, and when it is ready.

    It is ready when `ready_url` answers 200; without one, when it has lived a moment.
    """

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        address: str = "",
        ready_url: str | None = None,
    ) -> None:
        self.name = name
        self.address = address
        self.process = BackgroundProcess(directory=directory)
        self._command = command
        self.environment = environment
        self._ready_url = ready_url

    def start(self) -> None:
        """Start it, unless it runs."""
        self.process.start(self._command, environment=self.environment)

    def wait_ready(self, timeout: timedelta) -> None:
        """Return when it is ready; raise `PartError` if it dies or is late."""
        self.process.wait_ready(self._is_ready, name=self.name, timeout=timeout)

    def stop(self, grace: timedelta = timedelta(seconds=20)) -> None:
        """Ask it to end; end it by force after the grace time."""
        self.process.stop(grace=grace)

    def _is_ready(self) -> bool:
        process = self.process.find()
        if process is None:
            return False
        if self._ready_url is None:
            return time.time() - process.create_time() >= SETTLE_SECONDS
        try:
            return httpx.get(self._ready_url, timeout=5).is_success
        except httpx.TransportError:
            return False


@dataclass(frozen=True, kw_only=True)
class Task:
    """A part that runs to its end."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path

    def run(self, timeout: timedelta) -> None:
        """Run it; raise `PartError` if it fails or is late."""
        make_private_folder(self.directory)
        log = self.directory / "log.txt"
        try:
            with log.open("wb") as output:
                subprocess.run(  # noqa: S603 - our own module, no shell
                    self.command,
                    cwd=self.directory,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=True,
                    timeout=timeout.total_seconds(),
                )
        except subprocess.CalledProcessError as error:
            raise PartError(self.name, f"has failed ({error.returncode})", log) from error
        except subprocess.TimeoutExpired as error:
            raise PartError(self.name, "has not come to its end", log) from error


class ServiceFactory:
    """Knows what every service is told."""

    def __init__(self, *, home: Home, database_url: str) -> None:
        self._home = home
        self._secrets = home.secrets()
        ports = home.ports()
        self._api_port = ports.api
        self.url = f"http://{LOCALHOST}:{ports.api}"
        self._kafka = {"BOOTSTRAP_SERVERS": f"{LOCALHOST}:{ports.kafka}"}
        self._database = {"DATABASE_URL": database_url}

    def migration(self) -> Task:
        return Task(
            name="migrate",
            command=_python("api.migrate"),
            environment=_environment(self._database),
            directory=self._home.part("migrate"),
        )

    def services(self) -> list[Service]:
        """Return the services in the order of their start."""
        return [self._api(), self._relay(), self._control_logger(), self._orchestrator()]

    def log_keeper(self) -> Service:
        command = [*_python("kafkaml_local.log_keeper"), str(self._home.path)]
        return self._service("log-keeper", command, {})

    def _api(self) -> Service:
        settings = {
            "ADMIN_TOKEN": self._secrets.admin_token,
            "ORCHESTRATOR_TOKEN": self._secrets.orchestrator_token,
            "CONTROL_LOGGER_TOKEN": self._secrets.control_logger_token,
            "ARTIFACTS_URL": self._home.artifacts.as_uri(),
            "HOST": LOCALHOST,
            "PORT": str(self._api_port),
        }
        return Service(
            name="api",
            command=_python("api.main"),
            environment=_environment(settings | self._database | self._kafka),
            directory=self._home.part("api"),
            address=self.url,
            ready_url=f"{self.url}/readyz",
        )

    def _relay(self) -> Service:
        return self._service("relay", _python("api.relay"), self._database | self._kafka)

    def _control_logger(self) -> Service:
        settings = self._client(self._secrets.control_logger_token)
        return self._service("control-logger", _python("control_logger.main"), settings)

    def _orchestrator(self) -> Service:
        settings = self._client(self._secrets.orchestrator_token) | {
            **_user_settings(),
            "EXECUTOR": "process",
            "WORKLOADS_DIRECTORY": str(self._home.workloads),
        }
        return self._service(ORCHESTRATOR, _python("orchestrator.main"), settings)

    def _client(self, token: str) -> dict[str, str]:
        return self._kafka | {"URL": self.url, "TOKEN": token}

    def _service(
        self, name: str, command: Sequence[str], settings: Mapping[str, str]
    ) -> Service:
        return Service(
            name=name,
            command=command,
            environment=_environment(settings),
            directory=self._home.part(name),
        )


def _python(module: str) -> list[str]:
    """Return the command of a module; the folder it runs in is not searched for modules."""
    return [sys.executable, "-P", "-m", module]


def _user_settings() -> dict[str, str]:
    found = {name: os.environ.get(f"{PREFIX}{name}") for name in USER_SETTINGS}
    return {name: value for name, value in found.items() if value is not None}


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the user's environment with our settings in place of the user's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(PREFIX)
    }
    ours = {f"{PREFIX}{name}": value for name, value in settings.items()}
    return kept | ours | {"PYTHONUNBUFFERED": "1"}
