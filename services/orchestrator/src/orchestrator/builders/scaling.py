"""What lets KEDA scale an inference by the lag of its consumer group."""

from typing import Any

from kafkaml.kafka import inference_group
from kafkaml.schemas.workloads import Workload
from orchestrator.config import Settings
from orchestrator.exceptions import SettingsError


class ScalingSpec:
    """Builds the part of a ScaledObject that says by what, and how far.

    Raises `SettingsError` if Kafka asks who KEDA is, and nothing says how it answers.
    """

    def __init__(self, *, settings: Settings) -> None:
        is_on = settings.kubernetes_keda_max_replicas is not None
        is_open = settings.kafka_security_protocol == "PLAINTEXT"
        if is_on and not is_open and settings.kubernetes_keda_authentication is None:
            raise SettingsError(
                "KEDA cannot read the lag from this Kafka without credentials: set "
                "KAFKA_ML_KUBERNETES_KEDA_AUTHENTICATION to the name of a "
                "TriggerAuthentication in the namespace of the workloads"
            )
        self._settings = settings

    def build(self, workload: Workload, target: dict[str, Any]) -> dict[str, Any]:
        """Return the spec; `target` is the object whose number of replicas is set."""
        most = self._settings.kubernetes_keda_max_replicas or workload.replicas
        return {
            "scaleTargetRef": {
                "apiVersion": target["apiVersion"],
                "kind": target["kind"],
                "name": target["metadata"]["name"],
            },
            "minReplicaCount": workload.replicas,
            "maxReplicaCount": max(workload.replicas, most),
            "triggers": [self._trigger(workload)],
        }

    def _trigger(self, workload: Workload) -> dict[str, Any]:
        input_topic = workload.topics[0]
        trigger: dict[str, Any] = {
            "type": "kafka",
            "metadata": {
                "bootstrapServers": self._settings.bootstrap_servers,
                "consumerGroup": inference_group(workload.id),
                "topic": input_topic.name,
                "lagThreshold": str(self._settings.kubernetes_keda_lag),
                "allowIdleConsumers": "false",  # never more replicas than partitions
            },
        }
        if self._settings.kubernetes_keda_authentication is not None:
            name = self._settings.kubernetes_keda_authentication
            trigger["authenticationRef"] = {"name": name}
        return trigger
