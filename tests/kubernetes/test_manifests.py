import re
from pathlib import Path

import pytest

from .rendering import (
    K8S,
    OVERLAYS,
    build,
    build_own,
    containers,
    environment,
    find_one,
    pod_specs,
)

LOCAL = ("bundled-kafka", "bundled-postgres", "artifacts-volume")
FORBIDDEN_BY_RESTRICTED = "kafka-ml-folders"  # the one place that needs root


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_overlay_is_complete_by_itself(overlay: str) -> None:
    manifests = build(K8S / "overlays" / overlay)
    settings = find_one(manifests, "ConfigMap", "settings")["data"]
    assert {"KAFKA_ML_BOOTSTRAP_SERVERS", "KAFKA_ML_ARTIFACTS_URL"} <= settings.keys()
    for name in ("api", "relay", "orchestrator", "control-logger"):
        find_one(manifests, "Deployment", name)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_restricted_and_bounded(overlay: str) -> None:
    for owner, spec in pod_specs(build(K8S / "overlays" / overlay)):
        if owner["metadata"]["namespace"] == FORBIDDEN_BY_RESTRICTED:
            continue
        where = owner["metadata"]["name"]
        assert spec["securityContext"]["runAsNonRoot"], where
        assert spec["enableServiceLinks"] is False, where
        for container in containers(spec):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"], where
            assert context["capabilities"] == {"drop": ["ALL"]}, where
            assert context["allowPrivilegeEscalation"] is False, where
            assert container["resources"].keys() == {"requests", "limits"}, where
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys(), where
            assert not container["image"].endswith(":latest"), where


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_variables_are_made_of_those_before_them(overlay: str) -> None:
    for owner, spec in pod_specs(build(K8S / "overlays" / overlay)):
        for container in containers(spec):
            before: set[str] = set()
            for variable in container.get("env", []):
                used = set(re.findall(r"\$\((\w+)\)", variable.get("value", "")))
                assert used <= before, owner["metadata"]["name"]
                before.add(variable["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_has_a_value(overlay: str) -> None:
    manifests = build(K8S / "overlays" / overlay)
    assert not [each for each in manifests if each["kind"] == "Secret"]
    words = ("TOKEN", "PASSWORD", "DATABASE_URL")
    for _, spec in pod_specs(manifests):
        for container in containers(spec):
            for name, value in environment(container).items():
                if any(word in name for word in words):
                    assert "$(DATABASE_PASSWORD)" in value


def test_images_are_chosen_in_one_place_also_those_of_workloads(tmp_path: Path) -> None:
    names = (
        *("api", "orchestrator", "control-logger", "trainer", "inferencer"),
        "trainer-gpu",
    )
    manifests = build_own(
        tmp_path,
        resource="overlays/gpu",
        images=[
            {
                "name": f"kafka-ml/{name}",
                "newName": f"registry.example/{name}",
                "newTag": "7",
            }
            for name in names
        ],
    )
    (orchestrator,) = containers(
        find_one(manifests, "Deployment", "orchestrator")["spec"]["template"]["spec"]
    )
    told = environment(orchestrator)
    assert told["KAFKA_ML_TRAINER_IMAGE"] == "registry.example/trainer:7"
    assert told["KAFKA_ML_TRAINER_GPU_IMAGE"] == "registry.example/trainer-gpu:7"
    assert told["KAFKA_ML_INFERENCER_IMAGE"] == "registry.example/inferencer:7"
    used = {
        container["image"]
        for _, spec in pod_specs(manifests)
        for container in containers(spec)
    }
    assert used == {
        *(f"registry.example/{name}:7" for name in names[:3]),
        *("postgres:18", "apache/kafka:4.4.0"),
    }


def test_a_new_setting_gives_new_pods(tmp_path: Path) -> None:
    def settings_of(folder: Path, level: str) -> str:
        folder.mkdir()
        more = {"name": "settings", "namespace": "kafka-ml", "behavior": "merge"}
        manifests = build_own(
            folder,
            components=LOCAL,
            configMapGenerator=[more | {"literals": [f"KAFKA_ML_LOG_LEVEL={level}"]}],
        )
        deployment = find_one(manifests, "Deployment", "relay")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        return str(container["envFrom"][0]["configMapRef"]["name"])

    debug, info = (settings_of(tmp_path / level, level) for level in ("debug", "info"))
    assert debug.startswith("settings-")
    assert debug != info


def test_components_go_together(tmp_path: Path) -> None:
    manifests = build_own(
        tmp_path,
        components=(
            *("strimzi", "cloudnative-pg", "artifacts-bucket", "keda", "monitoring"),
            *("gpu", "own-secret"),
        ),
    )
    settings = find_one(manifests, "ConfigMap", "settings")["data"]
    assert settings["KAFKA_ML_BOOTSTRAP_SERVERS"].startswith("kafka-kafka-bootstrap.")
    assert settings["KAFKA_ML_KUBERNETES_KEDA_MAX_REPLICAS"] == "10"
    migrate = find_one(manifests, "Job", "migrate")["spec"]["template"]["spec"]
    assert not migrate["initContainers"]
    assert migrate["serviceAccountName"] == "default"
    assert [each["name"] for each in migrate["volumes"]] == ["temporary"]
    assert not [
        each for each in manifests if each["metadata"]["name"].startswith("secret-maker")
    ]


def test_an_external_kafka_and_postgres_are_settings(tmp_path: Path) -> None:
    more = {"name": "settings", "namespace": "kafka-ml", "behavior": "merge"}
    servers = "KAFKA_ML_BOOTSTRAP_SERVERS=kafka.example:9092"
    manifests = build_own(
        tmp_path,
        components=("external-kafka", "external-postgres", "artifacts-bucket"),
        configMapGenerator=[more | {"literals": [servers]}],
    )
    assert not [each for each in manifests if each["kind"] == "StatefulSet"]
    settings = find_one(manifests, "ConfigMap", "settings")["data"]
    assert settings["KAFKA_ML_BOOTSTRAP_SERVERS"] == "kafka.example:9092"


def test_workloads_may_reach_the_kafka_of_each_overlay() -> None:
    for overlay in OVERLAYS:
        policies = [
            each
            for each in build(K8S / "overlays" / overlay)
            if each["kind"] == "NetworkPolicy"
            and each["metadata"]["namespace"] == "kafka-ml-workloads"
        ]
        ports = {
            port["port"]
            for policy in policies
            for rule in policy["spec"].get("egress", [])
            for port in rule["ports"]
        }
        assert ports == {53, 8000, 9092}, overlay
