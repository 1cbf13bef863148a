"""Inferences: finished trainings that answer a stream."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from kafkaml.schemas.base import (
    Id,
    Notice,
    Request,
    Resource,
    Time,
    TopicName,
    example,
)
from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.states import InferenceState
from kafkaml.schemas.trainings import Failure


class InferenceCreate(Request):
    """Serve a finished training from an input topic to an output topic.

    Format and configuration come from the stream it was trained on, unless given.
    """

    model_config = example(
        {
            "training_id": 1,
            "replicas": 2,
            "input_topic": "digits-in",
            "output_topic": "digits-out",
        }
    )

    training_id: Id = Field(examples=[1])
    replicas: int = Field(default=1, ge=1, le=1000, examples=[2])
    input_topic: TopicName = Field(examples=["digits-in"])
    output_topic: TopicName = Field(examples=["digits-out"])
    input_format: str | None = Field(
        default=None, max_length=40, examples=["RAW"], description="RAW, AVRO or JSON"
    )
    input_config: dict[str, Any] | None = Field(
        default=None, examples=[{"data_type": "uint8", "data_reshape": "8 8"}]
    )
    start: Literal["earliest", "latest"] = Field(
        default="earliest",
        description="where a new inference begins in an input topic that holds records",
    )
    resources: Resources = Field(default_factory=Resources)

    @model_validator(mode="after")
    def _check_topics(self) -> Self:
        taken = {self.output_topic, f"{self.output_topic}.dlq"}
        if self.input_topic in taken:
            raise ValueError(
                "input_topic and output_topic must differ: an inference must not read "
                "its own answers or dead letters"
            )
        return self


class InferenceScale(Request):
    """How many replicas share the partitions of the input topic."""

    model_config = example({"replicas": 3})

    replicas: int = Field(ge=1, le=1000)


class Inference(Resource):
    """A finished training served from an input topic to an output topic."""

    id: Id
    training_id: Id
    state: InferenceState
    replicas: int
    ready_replicas: int
    input_topic: str
    output_topic: str
    dead_letter_topic: str
    input_format: str
    input_config: dict[str, Any]
    start: str
    resources: Resources
    notice: Notice = None
    failure: Failure | None = None
    created_at: Time
    stopped_at: Time | None = None
