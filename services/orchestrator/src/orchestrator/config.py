"""Settings of the orchestrator (`KAFKA_ML_…`)."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from kafkaml.config import (
    ClientSettings,
    EnvironmentSettings,
    HeartbeatSettings,
    KafkaSettings,
    LogSettings,
)
from kafkaml.schemas.workloads import WorkloadKind


def _seconds(value: object) -> object:
    """Read the plain numbers that an environment variable holds as seconds."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


SettingName = Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]{0,99}$")]
Duration = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta())]


class ImageSettings(EnvironmentSettings):
    """The images of workloads, for the executors that run containers."""

    trainer_image: str = "kafka-ml/trainer:0.1.0"
    trainer_gpu_image: str | None = Field(
        default=None, description="for workloads that ask for a GPU; null: the other one"
    )
    inferencer_image: str = "kafka-ml/inferencer:0.1.0"


class DockerSettings(ImageSettings):
    """How the docker executor runs containers; the engine is found as `docker` finds it."""

    docker_network: str = Field(
        default="kafka-ml",
        description="that containers join; only containers of this network are looked at",
    )
    docker_temporary_bytes: int = Field(
        default=2 * 2**30, ge=2**20, description="of the folder /tmp, kept in memory"
    )
    docker_spares: int = Field(
        default=1,
        ge=0,
        description="containers that wait for a check or a training, TensorFlow loaded",
    )


class KubernetesSettings(ImageSettings):
    """How the kubernetes executor makes objects; lists and maps are written as JSON."""

    kubernetes_namespace: str = Field(
        default="kafka-ml-workloads",
        description="of the workloads; the orchestrator wants it for itself",
    )
    kubernetes_image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = (
        "IfNotPresent"
    )
    kubernetes_image_pull_secrets: list[str] = Field(default_factory=list)
    kubernetes_node_selector: dict[str, str] = Field(default_factory=dict)
    kubernetes_tolerations: list[dict[str, Any]] = Field(default_factory=list)
    kubernetes_priority_class: str | None = None
    kubernetes_runtime_class: str | None = Field(
        default=None, description="such as `gvisor`, for the code of models"
    )
    kubernetes_queue: str | None = Field(
        default=None, description="the LocalQueue of Kueue that trainings wait in"
    )
    kubernetes_gpu_resource: str = "nvidia.com/gpu"
    kubernetes_gpu_node_selector: dict[str, str] = Field(default_factory=dict)
    kubernetes_gpu_tolerations: list[dict[str, Any]] = Field(
        default=[{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    )
    kubernetes_temporary_bytes: int = Field(
        default=4 * 2**30, ge=2**20, description="of the folder /tmp, on the node's disk"
    )
    kubernetes_check_deadline: Duration = timedelta(minutes=15)
    kubernetes_training_deadline: Duration = Field(
        default=timedelta(days=60),
        description="of one attempt, with the wait for its stream",
    )
    kubernetes_kept: Duration = Field(
        default=timedelta(hours=1),
        description="how long an ended Job waits for its log to be read",
    )
    kubernetes_inference_kind: Literal["Deployment", "ReplicationController"] = "Deployment"
    kubernetes_keda_max_replicas: int | None = Field(
        default=None,
        ge=1,
        description="lets KEDA scale inferences by their lag up to this; null: no KEDA",
    )
    kubernetes_keda_lag: int = Field(
        default=1000, ge=1, description="records of lag for which KEDA adds a replica"
    )
    kubernetes_keda_authentication: str | None = Field(
        default=None,
        description="a TriggerAuthentication of the namespace, for a Kafka that wants one",
    )
    kubernetes_kafka_ca_secret: str | None = Field(
        default=None,
        description="a Secret of the namespace whose `ca.crt` workloads trust for Kafka",
    )


class Settings(
    KafkaSettings,
    ClientSettings,
    LogSettings,
    HeartbeatSettings,
    DockerSettings,
    KubernetesSettings,
):
    """What the orchestrator can be told; durations are seconds or ISO 8601."""

    executor: Literal["process", "docker", "kubernetes"] = "process"
    workloads_directory: Path = Field(
        default=Path(".kafka-ml/workloads"),
        description="where the process executor keeps what it runs",
    )
    trainer_command: list[str] = Field(
        default=[sys.executable, "-m", "trainer.main"],
        min_length=1,
        description="runs one attempt of a training or one check; a JSON list",
    )
    inferencer_command: list[str] = Field(
        default=[sys.executable, "-m", "inferencer.main"],
        min_length=1,
        description="runs one replica of an inference; a JSON list",
    )
    predict_auth: Literal["key", "none"] = Field(
        default="key",
        description="who may use /v2 of replicas: the API, or whoever reaches their port",
    )
    trainer_settings: dict[SettingName, str] = Field(
        default_factory=dict,
        description="what trainers are told besides; JSON, names without KAFKA_ML_",
    )
    inferencer_settings: dict[SettingName, str] = Field(
        default_factory=dict,
        description="what replicas of inferences are told besides; JSON, in the same way",
    )
    warm_start: bool = Field(
        default=True,
        description="keep TensorFlow loaded for trainings; not on Kubernetes",
    )
    warm_command: list[str] = Field(
        default=[
            *(sys.executable, "-I", "-u", "-X", "faulthandler"),
            *("-m", "trainer.warm_parent"),
        ],
        min_length=1,
        description="runs the process that has TensorFlow loaded; a JSON list",
    )
    warm_idle: Duration = Field(
        default=timedelta(minutes=15),
        description="without a training or a check, until nothing is kept loaded",
    )
    pass_interval: Duration = timedelta(seconds=2)
    stop_grace: Duration = Field(
        default=timedelta(seconds=30),
        description="time from SIGTERM to SIGKILL of a workload",
    )
    metrics_port: int | None = Field(default=None, ge=1, le=65535)

    @property
    def commands(self) -> dict[WorkloadKind, list[str]]:
        """The command of each kind of workload."""
        return {
            WorkloadKind.CHECK: self.trainer_command,
            WorkloadKind.TRAINING: self.trainer_command,
            WorkloadKind.INFERENCE: self.inferencer_command,
        }
