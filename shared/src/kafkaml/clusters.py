"""Other Kafka clusters, by the names that the settings of the platform give them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import SettingsError

VARIABLE = "KAFKA_ML_KAFKA_CLUSTERS"


class Cluster(BaseModel):
    """How to reach a cluster; certificates and keys are given as PEM text."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bootstrap_servers: Annotated[str, Field(min_length=1)]
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = (
        "PLAINTEXT"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_pem: str | None = None
    ssl_certificate_pem: str | None = None
    ssl_key_pem: SecretStr | None = None

    def to_librdkafka(self) -> dict[str, Any]:
        """Return what a client of confluent-kafka needs."""
        return {
            name.replace("_", "."): (
                value.get_secret_value() if isinstance(value, SecretStr) else value
            )
            for name, value in self
            if value is not None
        }


_CLUSTERS = TypeAdapter(dict[str, Cluster])


def find_cluster(settings: KafkaSettings, name: str) -> Cluster:
    """Return the cluster of a name; raise SettingsError if the settings name none so."""
    text = settings.kafka_clusters
    try:
        clusters = _CLUSTERS.validate_json(text.get_secret_value()) if text else {}
    except ValidationError as e:
        what = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'the text'}: {error['msg']}"
            for error in e.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"{VARIABLE} cannot be used: {what}") from None
    if name not in clusters:
        known = ", ".join(sorted(clusters)) or "none"
        raise SettingsError(
            f"there is no cluster {name!r} (known: {known}): "
            f"describe it in {VARIABLE} of the orchestrator"
        )
    return clusters[name]
