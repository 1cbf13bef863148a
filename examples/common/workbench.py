"""What every example needs: a platform, checked models in a configuration, a console."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console

from kafkaml.client import Client
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.models import Model
from kafkaml.schemas.states import TrainingState
from kafkaml.schemas.trainings import Training

CHECK_SECONDS = 180
TRAINING_SECONDS = 300
RESULT_SECONDS = 1800

_SCRIPTS = Path(sys.executable).parent

console = Console()


class CheckFailedError(Exception):
    """The platform did not do what the example expects of it."""


def step(number: int, title: str) -> None:
    """Announce a step."""
    console.print()
    console.rule(f"[bold cyan]{number}[/]  [bold]{title}", align="left")


def done(text: str) -> None:
    """Say what happened."""
    console.print(f"   {text}")


def check(*, holds: bool, text: str) -> None:
    """Print what was checked; raise CheckFailedError if it does not hold."""
    if not holds:
        raise CheckFailedError(text)
    console.print(f"   [green]✓[/] {text}")


def use_platform() -> bool:
    """Start the platform of this machine unless the environment names another.

    Return whether it was started.
    """
    if "KAFKA_ML_URL" in os.environ:
        return False
    local = _SCRIPTS / "kafkaml-local"
    if subprocess.run([local, "up"], check=False).returncode:  # noqa: S603  our own program
        raise CheckFailedError("the platform did not start")
    shown = subprocess.check_output([local, "env"], text=True)  # noqa: S603  likewise
    for line in shown.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        os.environ[name] = value.strip("'\"")
    return True


@dataclass(frozen=True)
class Platform:
    """Where a platform is, and the token to use it with."""

    url: str
    token: str
    bootstrap_servers: str

    @classmethod
    def from_environment(cls, prefix: str) -> Self | None:
        """Return the platform that `<prefix>URL` and the like name, or None."""
        if f"{prefix}URL" not in os.environ:
            return None
        names = ("URL", "TOKEN", "BOOTSTRAP_SERVERS")
        missing = [prefix + name for name in names if prefix + name not in os.environ]
        if missing:
            raise CheckFailedError(f"{prefix}URL is set, but not {' and '.join(missing)}")
        return cls(*(os.environ[prefix + name] for name in names))

    @classmethod
    def from_compose(cls, settings: Path) -> Self:
        """Return the platform that Docker compose runs with the settings of an `.env`."""
        if not settings.is_file():
            raise CheckFailedError(f"there is no {settings}: run `make demo-compose` first")
        lines = (line.partition("=") for line in settings.read_text().splitlines())
        values = {name.strip(): value.strip() for name, _, value in lines}
        api, kafka = (
            values.get(f"KAFKA_ML_{part}_PORT") or usual
            for part, usual in (("API", "8000"), ("KAFKA", "9092"))
        )
        token = values.get("KAFKA_ML_ADMIN_TOKEN", "")
        return cls(f"http://127.0.0.1:{api}", token, f"127.0.0.1:{kafka}")

    def client(self) -> Client:
        """Return a client of it."""
        return Client(url=self.url, token=self.token)


def define_models(
    client: Client, *, prefix: str, sources: Iterable[Path], about: str
) -> list[Model]:
    """Create a model of each file, or a new version of it where the source has changed."""
    known = {model.name: model for model in client.models.list()}
    models = []
    for path in sources:
        name, source = f"{prefix}-{path.stem}", path.read_text()
        if name not in known:
            description = f"{about}: {path.stem} network"
            model = client.models.create(name=name, source=source, description=description)
        else:
            model = known[name]
            client.models.add_version(model.id, source=source)
        models.append(client.models.wait_checked(model.id, timeout=CHECK_SECONDS))
    return models


def configure(client: Client, *, name: str, models: Iterable[Model]) -> int:
    """Group the models, and return the configuration's id."""
    ids = [model.id for model in models]
    for configuration in client.configurations.list():
        if configuration.name == name:
            return client.configurations.update(configuration.id, model_ids=ids).id
    return client.configurations.create(name=name, model_ids=ids).id


def wait_until_waiting(client: Client, deployment: Deployment) -> None:
    """Wait until every trainer has built its model and waits for the stream."""
    with console.status("   the trainers start and build their models"):
        for training in deployment.trainings:
            client.trainings.wait(
                training.id, states=[TrainingState.WAITING], timeout=TRAINING_SECONDS
            )


def wait_recorded(client: Client, deployment_id: int) -> int:
    """Wait until the stream of a deployment is a datasource; return its id."""
    deadline = time.monotonic() + CHECK_SECONDS
    while time.monotonic() < deadline:
        for source in client.datasources.list(deployment_id=deployment_id):
            return source.id
        time.sleep(0.2)
    raise CheckFailedError(f"the stream of deployment {deployment_id} was not recorded")


def finished(client: Client, deployment_id: int) -> Training:
    """Wait for the result of a deployment with one model; return its training."""
    deployment = client.deployments.wait_finished(deployment_id, timeout=RESULT_SECONDS)
    return client.trainings.get(deployment.trainings[0].id)
