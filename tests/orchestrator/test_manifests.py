import copy
from typing import Any

import pytest
import yaml

from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.workloads import WorkloadKind
from orchestrator.exceptions import SettingsError

from .manifest_cases import (
    CASES,
    CONTROLLER,
    EVERYTHING,
    FILES,
    build,
    environment_of,
    inference,
    job,
    owner,
    replicas,
    training,
)


@pytest.mark.parametrize("name", CASES)
def test_a_manifest_is_as_in_its_file(name: str) -> None:
    assert CASES[name]() == yaml.safe_load((FILES / f"{name}.yaml").read_text())


def test_every_file_is_compared() -> None:
    assert {path.stem for path in FILES.glob("*.yaml")} == CASES.keys()


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("settings", [{}, CONTROLLER])
def test_another_number_of_replicas_changes_nothing_but_the_number(
    settings: dict[str, Any],
) -> None:
    more = inference().model_copy(update={"replicas": 9})
    one, other = (
        build(**settings).inference(each, environment_of(each))
        for each in (inference(), more)
    )
    assert one["spec"].pop("replicas") == 2
    assert other["spec"].pop("replicas") == 9
    assert one == other


@pytest.mark.parametrize("name", ["KAFKA_ML_TOKEN", "KAFKA_ML_KAFKA_SASL_PASSWORD"])
def test_no_secret_is_in_the_spec_of_a_pod(name: str) -> None:
    environment = environment_of(training()) | {name: "hush"}
    assert "hush" not in str(build().job(training(), environment))
    stored = build().secret(training(), environment, owner())["stringData"]
    assert stored[name] == "hush"


def test_without_a_gpu_its_settings_do_not_matter() -> None:
    settings = {
        "kubernetes_gpu_node_selector": {"accelerator": "h200"},
        "trainer_gpu_image": "other",
        "kubernetes_gpu_resource": "other",
    }
    assert job(training(), **settings) == job(training())


def test_a_gpu_of_another_maker_and_without_an_image_of_its_own() -> None:
    manifest = job(training(gpu=1), kubernetes_gpu_resource="amd.com/gpu")
    container = pod_of(manifest)["containers"][0]
    assert container["image"] == "kafka-ml/trainer:0.1.0"
    assert container["resources"]["limits"]["amd.com/gpu"] == "1"
    assert container["resources"]["requests"] == container["resources"]["limits"]


def test_an_inference_on_a_gpu_runs_where_gpus_are() -> None:
    wanted = inference().model_copy(update={"resources": Resources(gpu=1)})
    builder = build(kubernetes_gpu_node_selector={"accelerator": "h200"})
    pod = pod_of(builder.inference(wanted, environment_of(wanted)))
    assert pod["containers"][0]["image"] == "kafka-ml/inferencer:0.1.0"
    assert pod["nodeSelector"] == {"accelerator": "h200"}
    assert [each["key"] for each in pod["tolerations"]] == ["nvidia.com/gpu"]


def test_checks_do_not_queue_behind_trainings() -> None:
    wanted = training().model_copy(update={"kind": WorkloadKind.CHECK})
    manifest = job(wanted, kubernetes_queue="trainings")
    assert "suspend" not in manifest["spec"]
    assert "kueue.x-k8s.io/queue-name" not in manifest["metadata"]["labels"]


def test_keda_never_goes_below_what_is_wanted() -> None:
    builder = build(kubernetes_keda_max_replicas=1)
    spec = builder.scaled_object(inference(), owner())["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 2)


def test_keda_without_credentials_for_a_kafka_that_wants_them_is_refused() -> None:
    settings = EVERYTHING | {"kubernetes_keda_authentication": None}
    with pytest.raises(SettingsError, match="KUBERNETES_KEDA_AUTHENTICATION"):
        build(**settings)


def test_manifests_share_nothing_that_one_could_change_for_another() -> None:
    builder = build(**EVERYTHING)
    wanted = training(gpu=1)
    first = builder.job(wanted, environment_of(wanted))
    before = copy.deepcopy(first)
    second = builder.job(wanted, environment_of(wanted))
    pod = pod_of(second)
    pod["nodeSelector"]["more"] = "1"
    pod["tolerations"].append({})
    pod["containers"][0]["resources"]["limits"]["cpu"] = "9"
    second["metadata"]["labels"]["more"] = "1"
    assert first == before
    assert builder.job(wanted, environment_of(wanted)) == before


def test_selectors_find_the_pods_of_their_own_attempt_only() -> None:
    manifest = replicas()
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    selector = manifest["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert manifest["metadata"]["name"] in selector.values()
