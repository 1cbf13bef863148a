"""Settings that several parts share, read from the environment (`KAFKA_ML_…`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from kafkaml.control import DEFAULT_CONTROL_TOPIC
from kafkaml.events import DEFAULT_EVENTS_TOPIC


class EnvironmentSettings(BaseSettings):
    """Base of all settings."""

    model_config = SettingsConfigDict(
        env_prefix="KAFKA_ML_", frozen=True, extra="ignore", hide_input_in_errors=True
    )


class KafkaSettings(EnvironmentSettings):
    """How to reach Kafka."""

    bootstrap_servers: str = "127.0.0.1:9092"
    control_topic: str = DEFAULT_CONTROL_TOPIC
    events_topic: str = DEFAULT_EVENTS_TOPIC
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = (
        "PLAINTEXT"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_ca_location: str | None = Field(
        default=None, description="PEM file with the certificates to trust"
    )
    kafka_clusters: SecretStr | None = Field(
        default=None,
        description="other clusters that inferences may use: JSON, a name for each",
    )
    schema_registry_url: str | None = Field(
        default=None,
        pattern=r"^(https?://[^\s@]+)?$",
        description="the only registry that is asked for schemas of Avro records",
    )
    schema_registry_username: str | None = None
    schema_registry_password: SecretStr | None = None
    schema_registry_ca_location: str | None = Field(
        default=None, description="PEM file with the certificates to trust"
    )


class ClientSettings(EnvironmentSettings):
    """How to reach the API."""

    url: str = "http://127.0.0.1:8000"
    token: SecretStr | None = None


class HeartbeatSettings(EnvironmentSettings):
    """How a probe sees that a process without a port is alive."""

    heartbeat_file: Path | None = Field(
        default=None, description="touched each time the loop turns, whatever is away"
    )


class LogSettings(EnvironmentSettings):
    """What is logged, and how it looks."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
