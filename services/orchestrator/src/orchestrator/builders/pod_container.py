"""The one container of a workload's pod."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.builders.environment import SECRET_VARIABLES
from orchestrator.builders.image_contract import (
    ADVERTISED_HOST_VARIABLE,
    PROBE_PORT,
    TEMPORARY_DIRECTORY,
    image_of,
    variables_of,
)
from orchestrator.config import Settings

# Beside the folder /tmp: what kubelet keeps of the log before it rotates it away.
_LOG_BYTES = 100 * 2**20


class Folder(NamedTuple):
    """A volume, and where it is in the container."""

    volume: str
    path: str


TEMPORARY_FOLDER = Folder("tmp", TEMPORARY_DIRECTORY)
KAFKA_CA_FOLDER = Folder("kafka-ca", "/etc/kafka-ml/kafka-ca")


def container_name(kind: WorkloadKind) -> str:
    """Return the name of the container, which is that of the service in it."""
    return "inferencer" if kind is WorkloadKind.INFERENCE else "trainer"


class ContainerManifest:
    """Builds the container of a trainer or an inferencer."""

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings

    def build(self, workload: Workload, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return the container; secret variables come from the workload's Secret."""
        resources = self._resources(workload)
        container: dict[str, Any] = {
            "name": container_name(workload.kind),
            "image": image_of(self._settings, workload),
            "imagePullPolicy": self._settings.kubernetes_image_pull_policy,
            "env": self._variables(workload, environment),
            "envFrom": [{"secretRef": {"name": workload.name}}],
            "resources": {"requests": resources, "limits": dict(resources)},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": self._mounts(),
        }
        if workload.kind is WorkloadKind.INFERENCE:
            container |= _probes()
        return container

    def _variables(
        self, workload: Workload, environment: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        variables = {
            name: value
            for name, value in environment.items()
            if name not in SECRET_VARIABLES
        }
        variables |= variables_of(
            workload, temporary_bytes=self._settings.kubernetes_temporary_bytes
        )
        if self._settings.kubernetes_kafka_ca_secret is not None:
            location = f"{KAFKA_CA_FOLDER.path}/ca.crt"
            variables["KAFKA_ML_KAFKA_SSL_CA_LOCATION"] = location
        listed: list[dict[str, Any]] = [
            {"name": name, "value": value} for name, value in variables.items()
        ]
        if workload.kind is WorkloadKind.INFERENCE:
            listed.append(_own_address())
        return sorted(listed, key=lambda each: str(each["name"]))

    def _resources(self, workload: Workload) -> dict[str, str]:
        """Return what the pod requests, which is also its limit."""
        disk = self._settings.kubernetes_temporary_bytes + _LOG_BYTES
        quantities = {
            "cpu": workload.resources.cpu,
            "memory": workload.resources.memory,
            "ephemeral-storage": str(disk),
        }
        if workload.resources.gpu > 0:
            gpu = self._settings.kubernetes_gpu_resource
            quantities[gpu] = str(workload.resources.gpu)
        return quantities

    def _mounts(self) -> list[dict[str, Any]]:
        mounts: list[dict[str, Any]] = [
            {"name": TEMPORARY_FOLDER.volume, "mountPath": TEMPORARY_FOLDER.path}
        ]
        if self._settings.kubernetes_kafka_ca_secret is not None:
            mounts.append(
                {
                    "name": KAFKA_CA_FOLDER.volume,
                    "mountPath": KAFKA_CA_FOLDER.path,
                    "readOnly": True,
                }
            )
        return mounts


def _own_address() -> dict[str, Any]:
    """Return the variable that tells a pod its address."""
    place = {"apiVersion": "v1", "fieldPath": "status.podIP"}
    return {"name": ADVERTISED_HOST_VARIABLE, "valueFrom": {"fieldRef": place}}


def _probes() -> dict[str, Any]:
    """Return the probes; nothing answers before the model is loaded."""
    return {
        "ports": [{"name": "http", "containerPort": PROBE_PORT}],
        "startupProbe": _probe("/healthz", period=2, failures=300),
        "livenessProbe": _probe("/healthz", period=10, failures=3),
        "readinessProbe": _probe("/readyz", period=5, failures=2),
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
