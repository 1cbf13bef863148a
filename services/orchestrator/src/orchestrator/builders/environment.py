"""The environment of a workload: what it may know, and nothing else."""

from pydantic import SecretStr

from kafkaml.config import KafkaSettings, LogSettings
from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.config import Settings

CLUSTERS_VARIABLE = "KAFKA_ML_KAFKA_CLUSTERS"
SECRET_VARIABLES = frozenset(
    {
        "KAFKA_ML_TOKEN",
        "KAFKA_ML_KAFKA_SASL_PASSWORD",
        "KAFKA_ML_SCHEMA_REGISTRY_PASSWORD",
        CLUSTERS_VARIABLE,
    }
)


class EnvironmentBuilder:
    """Builds the `KAFKA_ML_…` variables of a replica from the orchestrator's settings."""

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings
        fields = (*KafkaSettings.model_fields, *LogSettings.model_fields)
        self._common = {
            f"KAFKA_ML_{name.upper()}": _text_of(value)
            for name in fields
            if (value := getattr(settings, name)) is not None
        }

    def build(self, workload: Workload, replica: int, token: str) -> dict[str, str]:
        """Return the variables; the token is the attempt's, never the orchestrator's.

        Other clusters are told only to those who use one. What people set for all trainers
        or inferencers never replaces what the orchestrator says.
        """
        common = self._set_for(workload.kind) | self._common
        if all(topic.cluster is None for topic in workload.topics):
            common.pop(CLUSTERS_VARIABLE, None)
        if workload.kind is WorkloadKind.INFERENCE and self._settings.predict_auth != "key":
            common["KAFKA_ML_PREDICT_AUTH"] = self._settings.predict_auth
        return common | {
            "KAFKA_ML_URL": self._settings.url,
            "KAFKA_ML_TOKEN": token,
            "KAFKA_ML_WORKLOAD": workload.name,
            "KAFKA_ML_REPLICA": str(replica),
        }

    def _set_for(self, kind: WorkloadKind) -> dict[str, str]:
        is_inference = kind is WorkloadKind.INFERENCE
        settings = self._settings
        chosen = settings.inferencer_settings if is_inference else settings.trainer_settings
        names = {f"KAFKA_ML_{name}": value for name, value in chosen.items()}
        return {name: names[name] for name in names.keys() - SECRET_VARIABLES}


def _text_of(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
