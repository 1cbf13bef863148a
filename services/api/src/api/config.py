"""Settings of the API, read from the environment (`KAFKA_ML_…`)."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from kafkaml.config import (
    EnvironmentSettings,
    HeartbeatSettings,
    KafkaSettings,
    LogSettings,
)
from kafkaml.schemas.deployments import Resources


def _local_folder() -> str:
    return (Path.cwd() / "artifacts").as_uri()


Secret = Annotated[SecretStr, Field(min_length=16, max_length=1000)]


class DatabaseSettings(EnvironmentSettings):
    """How to reach Postgres."""

    database_url: SecretStr = Field(
        description="`postgresql+asyncpg://user:password@host/database`"
    )
    database_pool_size: int = Field(default=10, ge=1, le=1000)
    database_pool_timeout: timedelta = timedelta(seconds=10)
    database_connect_timeout: timedelta = timedelta(seconds=5)
    database_statement_timeout: timedelta = timedelta(seconds=15)
    database_wait: timedelta = Field(
        default=timedelta(minutes=5),
        description="how long a starting process waits for Postgres and for its schema",
    )


class ApiSettings(DatabaseSettings, KafkaSettings):
    """What the gateway needs to know. No secret has a default."""

    artifacts_url: str = Field(
        default_factory=_local_folder,
        description="where artifacts and logs are kept: `file:///…`, `s3://…`, …",
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    admin_token: Secret | None = None
    orchestrator_token: Secret | None = None
    control_logger_token: Secret | None = None
    max_artifact_bytes: int = Field(default=4 * 1024**3, ge=1)
    max_checkpoint_bytes: int = Field(default=16 * 1024**3, ge=1)
    shutdown_grace: timedelta = timedelta(seconds=10)
    check_resources: Resources = Resources(cpu="1", memory="2Gi")
    check_cpu_seconds: int = Field(default=300, ge=1)
    check_max_attempts: int = Field(default=3, ge=1)
    startup_cpu_seconds: int = Field(
        default=300, ge=0, description="CPU time that a training may use besides its own"
    )


class RelaySettings(DatabaseSettings, KafkaSettings, HeartbeatSettings, LogSettings):
    """What the relay needs to know."""

    relay_metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="where to serve metrics, if anywhere"
    )
