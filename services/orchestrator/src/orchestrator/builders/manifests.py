"""The objects of Kubernetes that make up a workload."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from kafkaml.schemas.states import ExitCode
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.builders.environment import SECRET_VARIABLES
from orchestrator.builders.image_contract import PROBE_PORT
from orchestrator.builders.labels import labels_of, selector_of
from orchestrator.builders.pod import PodTemplate
from orchestrator.builders.pod_container import container_name
from orchestrator.builders.scaling import ScalingSpec
from orchestrator.config import Settings

_FINAL_CODES = [ExitCode.MODEL_CODE, ExitCode.DATA]


class ManifestBuilder:
    """Builds manifests, ready for the API server; all are named like their workload.

    `environment` is that of the workload's only container. `owner` is the created object
    (with `apiVersion`, `kind`, name and uid) with which the built one is to vanish. Raises
    `SettingsError` if the settings contradict each other.
    """

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings
        self._pod = PodTemplate(settings=settings)
        self._scaling = ScalingSpec(settings=settings)

    def job(self, workload: Workload, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return the Job of a check or of one attempt of a training."""
        metadata = self._metadata(workload)
        spec = {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _failure_policy(workload),
            "activeDeadlineSeconds": _seconds(self._deadline(workload)),
            "ttlSecondsAfterFinished": _seconds(self._settings.kubernetes_kept),
            "template": self._pod.build(workload, environment),
        }
        queue = self._settings.kubernetes_queue
        if queue is not None and workload.kind is WorkloadKind.TRAINING:
            metadata["labels"]["kueue.x-k8s.io/queue-name"] = queue
            spec["suspend"] = True
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}

    def inference(
        self, workload: Workload, environment: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return what keeps the replicas of an inference running."""
        spec: dict[str, Any] = {
            "replicas": workload.replicas,
            "template": self._pod.build(workload, environment),
        }
        selector = selector_of(workload.name)
        kind = self._settings.kubernetes_inference_kind
        if kind == "Deployment":
            spec |= {"selector": {"matchLabels": selector}, **_rollout()}
        else:
            spec |= {"selector": selector}
        return {
            "apiVersion": "apps/v1" if kind == "Deployment" else "v1",
            "kind": kind,
            "metadata": self._metadata(workload),
            "spec": spec,
        }

    def secret(
        self, workload: Workload, environment: Mapping[str, str], owner: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the Secret with the variables that nobody is to read in a pod's spec."""
        names = sorted(SECRET_VARIABLES & environment.keys())
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": self._metadata(workload, owner),
            "type": "Opaque",
            "immutable": True,
            "stringData": {name: environment[name] for name in names},
        }

    def service(self, workload: Workload, owner: dict[str, Any]) -> dict[str, Any]:
        """Return the headless Service that names the replicas of an inference."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self._metadata(workload, owner),
            "spec": {
                "clusterIP": "None",
                "selector": selector_of(workload.name),
                "ports": [{"name": "http", "port": PROBE_PORT, "targetPort": "http"}],
            },
        }

    def disruption_budget(
        self, workload: Workload, owner: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what keeps a drain of nodes from taking two replicas at a time."""
        return {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": self._metadata(workload, owner),
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": selector_of(workload.name)},
            },
        }

    def scaled_object(self, workload: Workload, owner: dict[str, Any]) -> dict[str, Any]:
        """Return what lets KEDA set the replicas of `owner`, an inference, by their lag."""
        return {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": self._metadata(workload, owner),
            "spec": self._scaling.build(workload, owner),
        }

    def _metadata(
        self, workload: Workload, owner: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "name": workload.name,
            "namespace": self._settings.kubernetes_namespace,
            "labels": labels_of(workload),
        }
        if owner is not None:
            metadata["ownerReferences"] = [_reference_to(owner)]
        return metadata

    def _deadline(self, workload: Workload) -> timedelta:
        if workload.kind is WorkloadKind.CHECK:
            return self._settings.kubernetes_check_deadline
        return self._settings.kubernetes_training_deadline


def _failure_policy(workload: Workload) -> dict[str, Any]:
    """Replace a disrupted pod within the attempt; name the codes that end it for good."""
    codes = {
        "containerName": container_name(workload.kind),
        "operator": "In",
        "values": _FINAL_CODES,
    }
    disruption = {"type": "DisruptionTarget", "status": "True"}
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": codes},
            {"action": "Ignore", "onPodConditions": [disruption]},
        ]
    }


def _rollout() -> dict[str, Any]:
    return {
        "revisionHistoryLimit": 1,
        "minReadySeconds": 5,
        "progressDeadlineSeconds": 900,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
    }


def _reference_to(owner: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _seconds(duration: timedelta) -> int:
    return math.ceil(duration.total_seconds())
