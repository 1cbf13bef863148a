"""Datasources: recorded control messages."""

from typing import Any

from pydantic import Field

from kafkaml.schemas.base import Id, Request, Resource, Time, TopicName, example
from kafkaml.schemas.states import DatasourceState


class DatasourceRecord(Request):
    """A control message as it was read from Kafka; key and value are Base64."""

    topic: TopicName
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    timestamp_ms: int = Field(description="the record's timestamp, ms since 1970")
    key: str | None = Field(max_length=16_384)
    value: str | None = Field(max_length=8 * 1024 * 1024)


class Datasource(Resource):
    """One control message: a stream that can be sent again to another deployment."""

    id: Id
    state: DatasourceState
    rejection: str | None = Field(default=None, description="which rule the message breaks")
    deployment_id: int | None
    control: dict[str, Any] | None = Field(
        description="the message; null if it is not a JSON object"
    )
    topic: str
    partition: int
    offset: int
    announced_at: Time
    created_at: Time


class DatasourceSend(Request):
    """Announce the same records to another deployment."""

    model_config = example({"deployment_id": 2})

    deployment_id: Id = Field(examples=[2])
    validation_rate: float | None = Field(
        default=None, ge=0, lt=1, description="null: as it was recorded"
    )
    test_rate: float | None = Field(
        default=None, ge=0, lt=1, description="null: as it was recorded"
    )
