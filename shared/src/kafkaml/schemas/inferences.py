"""Inferences: finished trainings that answer a stream."""

from typing import Annotated, Any, Literal, Self

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
from kafkaml.schemas.dead_letters import DeadLetterLimit, Pause
from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.engines import EngineChoice, EngineReport
from kafkaml.schemas.outputs import (
    EarlyExit,
    Guarantee,
    NumberType,
    OutputConfig,
    OutputFormat,
)
from kafkaml.schemas.served_models import ServedModels
from kafkaml.schemas.states import InferenceState
from kafkaml.schemas.statistics import DriftAlarm, DriftOptions
from kafkaml.schemas.trainings import Failure

ClusterName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]


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
        default=None,
        max_length=40,
        examples=["RAW"],
        description="RAW, AVRO, JSON, IMAGE or AUDIO",
    )
    input_config: dict[str, Any] | None = Field(
        default=None, examples=[{"data_type": "uint8", "data_reshape": "8 8"}]
    )
    start: Literal["earliest", "latest"] = Field(
        default="earliest",
        description="where a new inference begins in an input topic that holds records",
    )
    guarantee: Annotated[Guarantee, Field(strict=False)] = Field(
        default=Guarantee.AT_LEAST_ONCE,
        description="`exactly_once`: answers and progress are one transaction",
    )
    output_format: Annotated[OutputFormat, Field(strict=False)] = Field(
        default=OutputFormat.JSON,
        description='JSON: `{"values": [...]}`; LABEL: `{"label": "cat", "score": 0.93}`',
    )
    output_config: OutputConfig = Field(default_factory=OutputConfig)
    input_cluster: ClusterName | None = Field(
        default=None,
        description="a cluster that the platform's settings name; null: the platform's own",
    )
    output_cluster: ClusterName | None = Field(
        default=None, description="likewise, also for dead letters and the upper topic"
    )
    early_exit: EarlyExit | None = None
    engine: Annotated[EngineChoice, Field(strict=False)] = Field(
        default=EngineChoice.AUTO,
        description="what computes the predictions; `auto` takes the fastest",
    )
    drift: DriftOptions | None = Field(
        default_factory=DriftOptions,
        description="when records count as other than those of the training; null: never",
    )
    dead_letter_limit: DeadLetterLimit | None = Field(
        default_factory=DeadLetterLimit,
        description="when to pause because of too many dead letters; null: never",
    )
    resources: Resources = Field(default_factory=Resources)

    @model_validator(mode="after")
    def _check_topics(self) -> Self:
        written = [self.output_topic, f"{self.output_topic}.dlq"]
        if self.early_exit:
            written.append(self.early_exit.upper_topic)
        if len(set(written)) < len(written):
            raise ValueError(
                "upper_topic must be neither the output topic nor its dead letter topic"
            )
        if self.input_cluster == self.output_cluster and self.input_topic in written:
            raise ValueError(
                "input_topic must differ from what is written: an inference must not read "
                "its own answers or dead letters"
            )
        return self

    @model_validator(mode="after")
    def _check_guarantee(self) -> Self:
        is_one = self.input_cluster == self.output_cluster
        if self.guarantee is Guarantee.EXACTLY_ONCE and not is_one:
            raise ValueError(
                "exactly_once needs input and output on one cluster, because a "
                "transaction ends where its cluster does: use at_least_once and tell "
                "repeated answers by their header kafkaml-source"
            )
        return self

    @model_validator(mode="after")
    def _check_output(self) -> Self:
        if (
            self.output_format is OutputFormat.AVRO
            and self.output_config.data_type is NumberType.FLOAT16
        ):
            raise ValueError("AVRO has no float16: use float32 or float64")
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
    guarantee: Guarantee = Guarantee.AT_LEAST_ONCE
    output_format: OutputFormat = OutputFormat.JSON
    output_config: OutputConfig = Field(default_factory=OutputConfig)
    input_cluster: str | None = None
    output_cluster: str | None = None
    early_exit: EarlyExit | None = None
    wanted_engine: EngineChoice = EngineChoice.AUTO
    engine: EngineReport | None = Field(
        default=None, description="of the replica that told of it last"
    )
    drift: DriftOptions | None = None
    drift_alarm: DriftAlarm | None = Field(
        default=None, description="null while records are like those of the training"
    )
    dead_letter_limit: DeadLetterLimit | None = None
    pause: Pause | None = Field(
        default=None, description="`resume` ends it; null while records are answered"
    )
    resources: Resources
    models: ServedModels
    previous_models: ServedModels | None = Field(
        default=None, description="what `rollback` returns to"
    )
    revision: int = Field(default=1, description="grows when other models are to answer")
    serving_revisions: dict[str, int] = Field(
        default_factory=dict, description="whose models answer, by the number of a replica"
    )
    notice: Notice = None
    failure: Failure | None = None
    created_at: Time
    stopped_at: Time | None = None
