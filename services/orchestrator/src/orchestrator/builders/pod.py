"""The pod of a workload: what it runs, as whom, and where."""

import math
from collections.abc import Mapping
from typing import Any

from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.builders.image_contract import IMAGE_USER
from orchestrator.builders.labels import labels_of, selector_of
from orchestrator.builders.pod_container import (
    KAFKA_CA_FOLDER,
    TEMPORARY_FOLDER,
    ContainerManifest,
)
from orchestrator.config import Settings

# A node that is removed to save money costs a training all its epochs.
_UNDISTURBED = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
_SPREAD_OVER = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


class PodTemplate:
    """Builds the pod of a workload; keeps the Pod Security Standard *restricted*.

    It does not depend on the number of replicas, so that a new number restarts none.
    """

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings
        self._container = ContainerManifest(settings=settings)

    def build(self, workload: Workload, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return the template of a Job, a Deployment or a ReplicationController."""
        metadata: dict[str, Any] = {"labels": labels_of(workload)}
        if workload.kind is not WorkloadKind.INFERENCE:
            metadata["annotations"] = dict(_UNDISTURBED)
        return {"metadata": metadata, "spec": self._spec(workload, environment)}

    def _spec(self, workload: Workload, environment: Mapping[str, str]) -> dict[str, Any]:
        is_inference = workload.kind is WorkloadKind.INFERENCE
        return {
            "restartPolicy": "Always" if is_inference else "Never",
            "terminationGracePeriodSeconds": math.ceil(
                self._settings.stop_grace.total_seconds()
            ),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": IMAGE_USER,
                "runAsGroup": IMAGE_USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container.build(workload, environment)],
            "volumes": self._volumes(),
            **self._placement(workload),
        }

    def _volumes(self) -> list[dict[str, Any]]:
        limit = str(self._settings.kubernetes_temporary_bytes)
        volumes: list[dict[str, Any]] = [
            {"name": TEMPORARY_FOLDER.volume, "emptyDir": {"sizeLimit": limit}}
        ]
        secret = self._settings.kubernetes_kafka_ca_secret
        if secret is not None:
            items = [{"key": "ca.crt", "path": "ca.crt"}]
            volumes.append(
                {
                    "name": KAFKA_CA_FOLDER.volume,
                    "secret": {"secretName": secret, "items": items},
                }
            )
        return volumes

    def _placement(self, workload: Workload) -> dict[str, Any]:
        """Return where the pod may run, and before whom."""
        settings = self._settings
        selector = dict(settings.kubernetes_node_selector)
        tolerations = list(settings.kubernetes_tolerations)
        if workload.resources.gpu > 0:
            selector |= settings.kubernetes_gpu_node_selector
            tolerations += settings.kubernetes_gpu_tolerations
        spread = _spread(workload) if workload.kind is WorkloadKind.INFERENCE else None
        names = settings.kubernetes_image_pull_secrets
        fields = {
            "nodeSelector": selector,
            "tolerations": tolerations,
            "topologySpreadConstraints": spread,
            "priorityClassName": settings.kubernetes_priority_class,
            "runtimeClassName": settings.kubernetes_runtime_class,
            "imagePullSecrets": [{"name": name} for name in names],
        }
        return {name: value for name, value in fields.items() if value}


def _spread(workload: Workload) -> list[dict[str, Any]]:
    """Keep replicas apart where that is possible: one node takes one of them with it."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector_of(workload.name)},
        }
        for key in _SPREAD_OVER
    ]
