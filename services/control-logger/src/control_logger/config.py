"""Settings of the control-logger, read from the environment (`KAFKA_ML_…`)."""

from datetime import timedelta

from pydantic import Field

from kafkaml.config import ClientSettings, HeartbeatSettings, KafkaSettings, LogSettings


class ControlLoggerSettings(KafkaSettings, ClientSettings, HeartbeatSettings, LogSettings):
    """What the control-logger needs to know; its token has the scope `control_logger`."""

    control_logger_group: str = Field(
        default="kafkaml-control-logger",
        min_length=1,
        description="consumer group, whose offsets say what is recorded",
    )
    api_timeout: timedelta = Field(
        default=timedelta(seconds=10), description="for each step of a call"
    )
