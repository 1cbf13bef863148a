"""The platform as docker-compose.yml runs it, in a project that touches no other."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafkaml_local.ports import free_port

ROOT = Path(__file__).parents[2]
SECRETS = (
    "KAFKA_ML_POSTGRES_PASSWORD",
    "KAFKA_ML_ADMIN_TOKEN",
    "KAFKA_ML_ORCHESTRATOR_TOKEN",
    "KAFKA_ML_CONTROL_LOGGER_TOKEN",
)
UP_SECONDS = 180


def docker(*arguments: str, timeout: float = 60) -> str:
    """Return what a command of docker prints; it has to go well."""
    done = _run(["docker", *arguments], timeout=timeout, environment={})
    assert done.returncode == 0, done.stderr
    return done.stdout


class ComposeProject:
    """A project of its own, with its own ports, volumes and secrets."""

    def __init__(self, *, name: str, settings: Mapping[str, str]) -> None:
        self.name = name
        self.settings = settings
        api_port = free_port()
        kafka_port = free_port(taken=[api_port])
        self.url = f"http://127.0.0.1:{api_port}"
        self.bootstrap_servers = f"127.0.0.1:{kafka_port}"
        self._environment = {
            **settings,
            "KAFKA_ML_API_PORT": str(api_port),
            "KAFKA_ML_KAFKA_PORT": str(kafka_port),
        }

    @property
    def token(self) -> str:
        return self.settings["KAFKA_ML_ADMIN_TOKEN"]

    def try_run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of docker compose, with nothing of this machine's settings."""
        # No .env of the checkout: it is the user's.
        command = [
            "docker",
            "compose",
            "--env-file",
            os.devnull,
            "--project-name",
            self.name,
        ]
        return _run(
            [*command, *arguments], timeout=UP_SECONDS + 60, environment=self._environment
        )

    def run(self, *arguments: str) -> str:
        """Return what a command of docker compose prints; it has to go well."""
        done = self.try_run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def config(self, *profiles: str) -> dict[str, Any]:
        """Return the file as docker compose understands it."""
        options = [word for profile in profiles for word in ("--profile", profile)]
        found: dict[str, Any] = json.loads(self.run(*options, "config", "--format=json"))
        return found

    def up(self) -> None:
        """Start what does not run, and wait until it is healthy."""
        self.run("up", "--wait", f"--wait-timeout={UP_SECONDS}", "--no-build")

    def inspect(self, service: str) -> dict[str, Any]:
        """Return what Docker knows of the container of a service."""
        return inspect(self.run("ps", "--quiet", service).strip())

    def address(self, service: str, network: str) -> str:
        """Return the IP address of a service in one of its networks."""
        networks = self.inspect(service)["NetworkSettings"]["Networks"]
        found: str = networks[network]["IPAddress"]
        return found

    def workloads(self, name: str | None = None, *, status: str | None = None) -> list[str]:
        """Return the containers that the orchestrator has started, or those of one name."""
        found = self._names(status).items()
        return [
            container
            for container, its_name in found
            if ".spare." not in its_name and (name is None or f".{name}." in its_name)
        ]

    def spares(self) -> list[str]:
        """Return the containers that wait for a check or a training."""
        found = self._names("running").items()
        return [container for container, name in found if ".spare." in name]

    def _names(self, status: str | None) -> dict[str, str]:
        filters = [f"label=kafka-ml/scope={self.name}-workloads"]
        filters += [f"status={status}"] if status else []
        options = [word for each in filters for word in ("--filter", each)]
        form = "{{.ID}} {{.Names}}"
        lines = docker("ps", "--all", "--format", form, *options).splitlines()
        return dict(line.split(" ", 1) for line in lines)


def inspect(container: str) -> dict[str, Any]:
    """Return what Docker knows of a container."""
    (found,) = json.loads(docker("inspect", container))
    return dict(found)


def _run(
    command: list[str], *, timeout: float, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KAFKA_ML_", "COMPOSE_"))
    }
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env={**inherited, **environment},
    )
