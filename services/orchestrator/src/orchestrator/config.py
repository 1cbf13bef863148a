"""Settings of the orchestrator (`KAFKA_ML_…`)."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from kafkaml.config import ClientSettings, KafkaSettings, LogSettings
from kafkaml.schemas.workloads import WorkloadKind


def _seconds(value: object) -> object:
    """Read the plain numbers that an environment variable holds as seconds."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta())]


class Settings(KafkaSettings, ClientSettings, LogSettings):
    """What the orchestrator can be told; durations are seconds or ISO 8601."""

    executor: Literal["process"] = "process"
    workloads_directory: Path = Field(
        default=Path(".kafka-ml/workloads"),
        description="where the process executor keeps what it runs",
    )
    trainer_command: list[str] = Field(
        default=[sys.executable, "-m", "trainer.main"],
        min_length=1,
        description="runs one attempt of a training or one check; a JSON list",
    )
    inferencer_command: list[str] = Field(
        default=[sys.executable, "-m", "inferencer.main"],
        min_length=1,
        description="runs one replica of an inference; a JSON list",
    )
    pass_interval: Duration = timedelta(seconds=2)
    stop_grace: Duration = Field(
        default=timedelta(seconds=30),
        description="time from SIGTERM to SIGKILL of a workload",
    )
    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    heartbeat_file: Path | None = Field(
        default=None, description="touched after each pass that went through"
    )

    @property
    def commands(self) -> dict[WorkloadKind, list[str]]:
        """The command of each kind of workload."""
        return {
            WorkloadKind.CHECK: self.trainer_command,
            WorkloadKind.TRAINING: self.trainer_command,
            WorkloadKind.INFERENCE: self.inferencer_command,
        }
