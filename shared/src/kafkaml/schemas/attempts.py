"""Attempts: how a trainer or an inferencer gets its order and reports."""

from typing import Annotated, Any

from pydantic import Field

from kafkaml.schemas.base import Id, Message, Request, Resource, Time
from kafkaml.schemas.dead_letters import DeadLetterLimit
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.engines import EngineChoice, EngineReport
from kafkaml.schemas.models import ModelCheck, ModelError
from kafkaml.schemas.outputs import EarlyExit, Guarantee, OutputConfig, OutputFormat
from kafkaml.schemas.served_models import CanaryOrder, ModelOrder
from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.statistics import DriftOptions
from kafkaml.schemas.trainings import (
    Artifact,
    ConfusionMatrix,
    TrainingProgress,
    TrainingResult,
)
from kafkaml.schemas.workloads import WorkloadKind

_OF_MODEL = tuple(ModelOrder.model_fields)


class TrainingOrder(Resource):
    """What a training is to do."""

    training_id: Id
    deployment_id: Id
    parameters: TrainingParameters
    control_topic: str
    announced_since: Time = Field(
        description="control messages with an older timestamp do not count"
    )
    checkpoint: Artifact | None = Field(
        default=None, description="where an attempt before got to, if it told"
    )
    is_to_finish: bool = Field(
        default=False, description="a stream without an end has been read enough"
    )


class InferenceOrder(Resource):
    """What an inference is to do."""

    inference_id: Id
    revision: int = Field(default=1, description="grows when other models are to answer")
    training_id: Id
    model_version: int
    artifact: Artifact
    artifacts: list[Artifact] = Field(
        default_factory=list, description="in every format that there is, `.keras` too"
    )
    input_topic: str
    output_topic: str
    dead_letter_topic: str
    input_format: str
    input_config: dict[str, Any]
    input_shape: list[int]
    start: str
    guarantee: Guarantee = Guarantee.AT_LEAST_ONCE
    output_format: OutputFormat = OutputFormat.JSON
    output_config: OutputConfig = Field(default_factory=OutputConfig)
    input_cluster: str | None = None
    output_cluster: str | None = None
    early_exit: EarlyExit | None = None
    engine: EngineChoice = EngineChoice.AUTO
    gpu: int = 0
    drift: DriftOptions | None = None
    dead_letter_limit: DeadLetterLimit | None = None
    is_paused: bool = False
    resumptions: int = Field(default=0, description="how often it was told to resume")
    canary: CanaryOrder | None = None
    shadow: ModelOrder | None = None
    shadow_topic: str | None = Field(default=None, description="null without a shadow")

    def for_model(self, model: ModelOrder) -> "InferenceOrder":
        """Return the order to serve one of the other models instead."""
        return self.model_copy(update={name: getattr(model, name) for name in _OF_MODEL})


class Order(Resource):
    """What the bearer of an attempt's token is to do: one of the three, by `kind`."""

    kind: WorkloadKind
    attempt: int
    source: str | None = Field(
        default=None, description="the model's source, for a check or a training"
    )
    training: TrainingOrder | None = None
    inference: InferenceOrder | None = None


class CheckReport(Request):
    """The outcome of a check: exactly one of the two."""

    check: ModelCheck | None = None
    error: ModelError | None = None


class ProgressReport(Request):
    """How far an attempt is."""

    state: Annotated[str, Field(pattern="^(waiting|training|serving)$")]
    replica: int = Field(default=0, ge=0)
    progress: TrainingProgress | None = Field(
        default=None, description="of the fit, while the state is `training`"
    )
    engine: EngineReport | None = Field(
        default=None, description="what answers, while the state is `serving`"
    )
    revision: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="whose models answer, while the state is `serving`",
    )


class EpochReport(Request):
    """The metrics after one epoch; sending one again changes nothing."""

    epoch: int = Field(ge=1, le=2**31 - 1)
    values: dict[Annotated[str, Field(max_length=200)], float | None] = Field(
        max_length=1000
    )


class PauseReport(Request):
    """Why a replica takes no records until the inference is told to resume.

    One that knows of fewer `resumptions` than there were is not heard.
    """

    reason: Message
    resumptions: int = Field(ge=0, le=2**31 - 1)


class ResultReport(Request):
    """The result of a training; the artifact was uploaded before."""

    result: TrainingResult
    confusion_matrix: ConfusionMatrix | None = None
    artifact_sha256: str = Field(pattern="^[0-9a-f]{64}$")


class FailureReport(Request):
    """Why an attempt gives up."""

    reason: Annotated[FailureReason, Field(strict=False)]
    message: Message
    retryable: bool = False
