import tomllib
from typing import Any

import pytest

from .project import ROOT, SECRETS, ComposeProject

pytestmark = pytest.mark.docker

IMAGES_ONLY = {"trainer", "inferencer"}
ONE_SHOTS = {"migrate"} | IMAGES_ONLY
DOCKER_USERS = {"orchestrator", "keeper"}


@pytest.fixture
def services(project: ComposeProject) -> dict[str, Any]:
    found: dict[str, Any] = project.config("observability")["services"]
    return found


@pytest.mark.parametrize("missing", SECRETS)
def test_no_secret_has_a_default(project: ComposeProject, missing: str) -> None:
    rest = {name: value for name, value in project.settings.items() if name != missing}
    done = ComposeProject(name=project.name, settings=rest).try_run("config")
    assert done.returncode != 0
    assert missing in done.stderr
    assert "make .env" in done.stderr


def test_secrets_are_where_they_are_needed_and_nowhere_else(
    project: ComposeProject, services: dict[str, Any]
) -> None:
    holders = {
        secret: {
            name
            for name, service in services.items()
            if project.settings[secret] in str(service.get("environment"))
        }
        for secret in SECRETS
    }
    assert holders == {
        "KAFKA_ML_POSTGRES_PASSWORD": {"postgres", "migrate", "api", "relay"},
        "KAFKA_ML_ADMIN_TOKEN": {"api"},
        "KAFKA_ML_ORCHESTRATOR_TOKEN": {"api", "orchestrator"},
        "KAFKA_ML_CONTROL_LOGGER_TOKEN": {"api", "control-logger"},
    }


def test_only_this_machine_reaches_a_port(services: dict[str, Any]) -> None:
    ports = {
        (name, port["target"]): port["host_ip"]
        for name, service in services.items()
        for port in service.get("ports", [])
    }
    assert ports == dict.fromkeys(
        [("api", 8000), ("kafka", 19092), ("prometheus", 9090), ("grafana", 3000)],
        "127.0.0.1",
    )


def test_every_container_is_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) <= 2**30, name
        assert service["pids_limit"] <= 1024, name
        assert service["logging"]["options"]["max-size"], name
        assert service["restart"] == ("no" if name in ONE_SHOTS else "unless-stopped"), name


def test_only_those_who_start_containers_hold_docker_s_socket(
    services: dict[str, Any],
) -> None:
    holders = {
        name for name, each in services.items() if "docker.sock" in str(each.get("volumes"))
    }
    assert holders == DOCKER_USERS
    roots = {name for name, each in services.items() if each.get("user") == "0:0"}
    assert roots == DOCKER_USERS


def test_networks_keep_apart_what_need_not_meet(project: ComposeProject) -> None:
    config = project.config()
    members = {
        network: {
            name
            for name, service in config["services"].items()
            if network in (service.get("networks") or {})
        }
        for network in config["networks"]
    }
    assert members == {
        "state": {"postgres", "migrate", "api", "relay"},
        "workloads": {"kafka", "api"},
        "platform": {"kafka", "api", "relay", "control-logger", "orchestrator"},
    }
    assert config["networks"]["state"]["internal"]
    assert config["networks"]["workloads"]["internal"]


def test_images_are_of_the_version_of_the_packages(services: dict[str, Any]) -> None:
    pyproject = tomllib.loads((ROOT / "services" / "api" / "pyproject.toml").read_text())
    version = pyproject["project"]["version"]
    ours = {
        name: service["image"] for name, service in services.items() if "build" in service
    }
    assert ours
    assert all(image.endswith(f":{version}") for image in ours.values()), ours
    environment = services["orchestrator"]["environment"]
    assert environment["KAFKA_ML_TRAINER_IMAGE"] == ours["trainer"]
    assert environment["KAFKA_ML_INFERENCER_IMAGE"] == ours["inferencer"]


def test_every_part_that_stays_says_whether_it_is_well(project: ComposeProject) -> None:
    services = project.config()["services"]
    silent = {name for name, each in services.items() if "healthcheck" not in each}
    assert silent == ONE_SHOTS | {"keeper"}
