"""Settings of the trainer, read from the environment (`KAFKA_ML_…`)."""

from pathlib import Path
from tempfile import gettempdir

from pydantic import Field, field_validator

from kafkaml.config import EnvironmentSettings
from kafkaml.schemas.deployments import memory_bytes


class TrainerSettings(EnvironmentSettings):
    """What one attempt may take."""

    start_timeout_seconds: float = Field(
        default=300, gt=0, description="for TensorFlow to be imported"
    )
    build_timeout_seconds: float = Field(
        default=120, gt=0, description="for the source to build its model"
    )
    data_patience_seconds: float = Field(
        default=10, ge=0, description="for announced records to appear in the log"
    )
    api_patience_seconds: float = Field(
        default=6 * 3600, ge=0, description="for an API that is away to take a report"
    )
    check_memory: str = Field(
        default="4Gi", description="that building a model may use when it is checked"
    )
    work_directory: Path = Field(
        default_factory=lambda: Path(gettempdir()),
        description="where an attempt makes its own folder, and removes it at the end",
    )

    temporary_bytes: int | None = Field(
        default=None,
        ge=1,
        description="that the work directory may hold, or the pod is evicted; a "
        "checkpoint may have a quarter of it; null: as many as its disk takes",
    )

    @property
    def max_checkpoint_bytes(self) -> int | None:
        """What a checkpoint may have beside records, model and the one that is read."""
        return None if self.temporary_bytes is None else self.temporary_bytes // 4

    @field_validator("check_memory")
    @classmethod
    def _check_memory(cls, value: str) -> str:
        memory_bytes(value)
        return value
