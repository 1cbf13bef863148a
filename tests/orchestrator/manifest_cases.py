"""Manifests that tests compare with files, and try on a cluster.

`python -m tests.orchestrator.manifest_cases` writes the files anew; read the difference.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.workloads import WantedTopic, Workload, WorkloadKind
from orchestrator.builders.manifests import ManifestBuilder
from orchestrator.config import Settings

from .builders import workload

Manifest = dict[str, Any]

FILES = Path(__file__).parents[1] / "data" / "kubernetes"

EVERYTHING: dict[str, Any] = {
    "kubernetes_namespace": "science",
    "trainer_gpu_image": "registry.example.com/kafka-ml/trainer:0.1.0-gpu",
    "kubernetes_image_pull_policy": "Always",
    "kubernetes_image_pull_secrets": ["registry"],
    "kubernetes_node_selector": {"pool": "training"},
    "kubernetes_tolerations": [{"key": "training", "operator": "Exists"}],
    "kubernetes_priority_class": "batch",
    "kubernetes_runtime_class": "gvisor",
    "kubernetes_queue": "trainings",
    "kubernetes_gpu_node_selector": {"accelerator": "h200"},
    "kubernetes_temporary_bytes": 2**30,
    "kubernetes_training_deadline": "PT2H",
    "kubernetes_kept": 90.5,
    "kubernetes_kafka_ca_secret": "kafka-ca",
    "kafka_security_protocol": "SASL_SSL",
    "kubernetes_keda_max_replicas": 8,
    "kubernetes_keda_lag": 500,
    "kubernetes_keda_authentication": "kafka",
    "stop_grace": 45,
}
CONTROLLER: dict[str, Any] = {"kubernetes_inference_kind": "ReplicationController"}
AUTOSCALED: dict[str, Any] = {"kubernetes_keda_max_replicas": 8}

SASL = {
    "KAFKA_ML_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_ML_KAFKA_SASL_PASSWORD": "a password",
    "KAFKA_ML_KAFKA_SASL_USERNAME": "kafka-ml",
    "KAFKA_ML_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_ML_KAFKA_SSL_CA_LOCATION": "/where/the/orchestrator/has/it",
}


def build(**settings: Any) -> ManifestBuilder:
    return ManifestBuilder(settings=Settings(**settings))


def environment_of(wanted: Workload) -> dict[str, str]:
    return {
        "KAFKA_ML_WORKLOAD": wanted.name,
        "KAFKA_ML_REPLICA": "0",
        "KAFKA_ML_URL": "http://api.kafka-ml:8000",
        "KAFKA_ML_TOKEN": "the token of the attempt",
        "KAFKA_ML_BOOTSTRAP_SERVERS": "kafka:9092",
    }


def check() -> Workload:
    return workload(WorkloadKind.CHECK, 7)


def training(*, gpu: int = 0) -> Workload:
    resources = Resources(cpu="2", memory="4Gi", gpu=gpu)
    return workload(WorkloadKind.TRAINING, 12, attempt=2).model_copy(
        update={"resources": resources}
    )


def inference() -> Workload:
    names = ("digits-in", "digits-out", "digits-out.dlq")
    topics = [WantedTopic(name=name, partitions=2) for name in names]
    wanted = workload(WorkloadKind.INFERENCE, 3, replicas=2, topics=topics)
    return wanted.model_copy(update={"resources": Resources(cpu="1500m", memory="1Gi")})


def job(wanted: Workload, **settings: Any) -> Manifest:
    return build(**settings).job(wanted, environment_of(wanted))


def replicas(**settings: Any) -> Manifest:
    return build(**settings).inference(inference(), environment_of(inference()))


def owner(**settings: Any) -> Manifest:
    """Return what the API server answers when the inference was created."""
    created = replicas(**settings)
    created["metadata"]["uid"] = "0bd6ea72-7c5b-4f0a-a3f5-a2ab12b9ee0b"
    return created


def training_with_everything() -> Manifest:
    wanted = training(gpu=2)
    return build(**EVERYTHING).job(wanted, environment_of(wanted) | SASL)


def secret() -> Manifest:
    return build().secret(inference(), environment_of(inference()), owner())


def secret_with_password() -> Manifest:
    wanted = inference()
    return build().secret(wanted, environment_of(wanted) | SASL, owner())


CASES: dict[str, Callable[[], Manifest]] = {
    "check-job": lambda: job(check()),
    "training-job": lambda: job(training()),
    "training-job-with-everything": training_with_everything,
    "inference-deployment": replicas,
    "inference-replication-controller": lambda: replicas(**CONTROLLER),
    "secret": secret,
    "secret-with-password": secret_with_password,
    "service": lambda: build().service(inference(), owner()),
    "disruption-budget": lambda: build().disruption_budget(inference(), owner()),
    "scaled-object": lambda: build(**AUTOSCALED).scaled_object(
        inference(), owner(**CONTROLLER)
    ),
    "scaled-object-with-authentication": lambda: build(**EVERYTHING).scaled_object(
        inference(), owner()
    ),
}


def write_files() -> None:
    for name, make in CASES.items():
        text = yaml.safe_dump(make(), sort_keys=False, width=88)
        (FILES / f"{name}.yaml").write_text(text)


if __name__ == "__main__":
    write_files()
