import json
from typing import Any

import pytest

from .project import docker

pytestmark = pytest.mark.docker

ENTRY_POINTS = {
    "api": ["api.main", "api.relay", "api.migrate"],
    "orchestrator": ["orchestrator.main", "orchestrator.keeper"],
    "control-logger": ["control_logger.main"],
    "trainer": ["trainer.main", "trainer.child"],
    "inferencer": ["inferencer.main"],
}
# On disk. Python and Debian are 145 of them, or less.
MOST_MEGABYTES = {
    "api": 240,
    "orchestrator": 260,
    "control-logger": 180,
    "trainer": 2100,
    "inferencer": 2100,
}
WITH_TENSORFLOW = {"trainer", "inferencer"}
USER = "10001:10001"


def image_of(service: str) -> str:
    return f"kafka-ml/{service}:0.1.0"


def inspect_image(service: str) -> dict[str, Any]:
    (found,) = json.loads(docker("image", "inspect", image_of(service)))
    return dict(found)


def run_in(service: str, *command: str) -> str:
    """Run a command as confined as the platform's containers are, and without a network."""
    entry, *arguments = command
    options = ["--rm", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network=none"]
    return docker(
        "run", *options, f"--entrypoint={entry}", image_of(service), *arguments
    ).strip()


@pytest.mark.parametrize("service", ENTRY_POINTS)
def test_an_image_says_what_it_is(service: str) -> None:
    config = inspect_image(service)["Config"]
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in config["Labels"].items()
    }
    assert labels["title"] == f"Kafka-ML {'API' if service == 'api' else service}"
    assert labels["version"] == "0.1.0"
    assert labels["licenses"] == "Apache-2.0"
    assert {"description", "source", "revision", "created"} <= set(labels)
    assert config["User"] == USER
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == [f"kafkaml-{service}"]


@pytest.mark.parametrize("service", ENTRY_POINTS)
def test_all_that_an_image_runs_is_in_it(service: str) -> None:
    modules = ", ".join(ENTRY_POINTS[service])
    run_in(service, "python", "-c", f"import {modules}, kafkaml.heartbeat")


@pytest.mark.parametrize("service", ENTRY_POINTS)
def test_its_user_can_change_no_program(service: str) -> None:
    script = "id -u; find /app /etc /usr /var/lib -writable -not -type l 2>/dev/null; true"
    options = ["--rm", "--network=none", "--entrypoint=sh"]
    seen = docker("run", *options, image_of(service), "-c", script).split()
    folders = ["/var/lib/kafka-ml"] if service == "api" else []
    assert seen == ["10001", *folders]


@pytest.mark.parametrize("service", ENTRY_POINTS)
def test_what_builds_an_image_is_not_in_it(service: str) -> None:
    script = "command -v uv gcc cc make git; ls /app /root/.cache /app/.venv/bin 2>&1"
    assert "uv" not in run_in(service, "sh", "-c", script + "; true").split()


@pytest.mark.parametrize("service", sorted(set(ENTRY_POINTS) - WITH_TENSORFLOW))
def test_who_runs_no_model_has_no_tensorflow(service: str) -> None:
    script = "from importlib.util import find_spec as f; print(f('tensorflow'), f('keras'))"
    assert run_in(service, "python", "-c", script) == "None None"


@pytest.mark.parametrize("service", ENTRY_POINTS)
def test_an_image_is_no_larger_than_it_has_to_be(service: str) -> None:
    assert inspect_image(service)["Size"] / 1e6 <= MOST_MEGABYTES[service]


def test_trainer_and_inferencer_are_one_download() -> None:
    trainer, inferencer = (
        inspect_image(service)["RootFS"]["Layers"] for service in ("trainer", "inferencer")
    )
    assert trainer[:-1] == inferencer[:-1], "all but our own code is the same"


@pytest.mark.parametrize("service", ENTRY_POINTS)
def test_an_image_holds_compiled_python(service: str) -> None:
    script = "import kafkaml, pathlib; print(pathlib.Path(kafkaml.__cached__).exists())"
    assert run_in(service, "python", "-c", script) == "True"
