"""Settings of the trainer, read from the environment (`KAFKA_ML_…`)."""

from pathlib import Path
from tempfile import gettempdir

from pydantic import Field, field_validator

from kafkaml.config import EnvironmentSettings
from kafkaml.schemas.deployments import Resources, memory_bytes


class TrainerSettings(EnvironmentSettings):
    """What one attempt may take."""

    start_timeout_seconds: float = Field(
        default=300, gt=0, description="for TensorFlow to be imported"
    )
    build_timeout_seconds: float = Field(
        default=120, gt=0, description="for the source to build its model"
    )
    export_timeout_seconds: float = Field(
        default=300, gt=0, description="for a trained model to be made in another format"
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
    standby_descriptor: int | None = Field(
        default=None,
        ge=3,
        description="an open file: the line to a process that has imported TensorFlow and "
        "waits to be forked; null: each model's process imports it anew",
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

    data_memory: str | None = Field(
        default=None,
        description="what decoded records may take of a model's memory, such as '256Mi': "
        "more than that stays in a file; null: a quarter of resources.memory",
    )

    def data_memory_bytes(self, resources: Resources) -> int:
        """Return the bytes up to which records are held in memory for a fit."""
        if self.data_memory is not None:
            return memory_bytes(self.data_memory)
        return memory_bytes(resources.memory) // 4

    @property
    def max_record_bytes(self) -> int | None:
        """What records may have beside the model and two checkpoints."""
        return None if self.temporary_bytes is None else self.temporary_bytes // 2

    @property
    def max_checkpoint_bytes(self) -> int | None:
        """What a checkpoint may have beside records, model and the one that is read."""
        return None if self.temporary_bytes is None else self.temporary_bytes // 4

    @field_validator("check_memory", "data_memory")
    @classmethod
    def _check_memory(cls, value: str | None) -> str | None:
        if value is not None:
            memory_bytes(value)
        return value
