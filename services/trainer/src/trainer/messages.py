"""What passes between the trainer and the child that runs the model's code.

Commands go to the child, reports come back, each as one line of JSON. The child is not
trusted: the trainer checks each report by these types.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from kafkaml.schemas.attempts import EpochReport
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.fit import MixedPrecision
from kafkaml.schemas.models import ModelCheck
from kafkaml.schemas.results import (
    ClassificationReport,
    CrossValidation,
    FitSummary,
    RegressionReport,
)
from kafkaml.schemas.trainings import ConfusionMatrix, TrainingProgress

LabelRule = Literal["classes", "outputs", "any"]
Metrics = dict[str, float | None]

MODEL_FILE = "model.keras"
DATA_DIRECTORY = "data"
CHECKPOINT_FILE = "training.checkpoint"
RESUME_FILE = "resumed.checkpoint"
MAX_MESSAGE_LENGTH = 5000


class Message(BaseModel):
    """Base of all commands and reports."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_line(self) -> bytes:
        return self.model_dump_json().encode() + b"\n"


class Build(Message):
    """Build the model from its source; `memory_bytes` of null means no limit."""

    kind: Literal["build"] = "build"
    source: str
    seed: int
    memory_bytes: int | None
    try_saving: bool = Field(description="see whether the model comes back from a file")
    mixed_precision: MixedPrecision | None = None


class Checkpointing(Message):
    """Write `CHECKPOINT_FILE` about every so many seconds, unless it is there still.

    If `is_resumed`, go on from `RESUME_FILE`. Only a checkpoint of the same `identity`
    is of use. One with more than `max_bytes` is not written.
    """

    identity: str
    attempt: int
    seconds: float = Field(ge=0)
    is_resumed: bool = False
    max_bytes: int | None = None


class Train(Message):
    """Train the model on the arrays in the data directory."""

    kind: Literal["train"] = "train"
    parameters: TrainingParameters
    checkpointing: Checkpointing | None = None


class Ready(Message):
    """TensorFlow is imported; the source runs next."""

    kind: Literal["ready"] = "ready"


class Built(Message):
    """The source gave a usable model.

    `labels` says what the loss takes as labels: numbers of `classes`, the shape of the
    `outputs`, or `any` for a loss that is not Keras' own.
    """

    kind: Literal["built"] = "built"
    check: ModelCheck
    labels: LabelRule


class FitProgressed(Message):
    """The first step of a fit is done, or a second has passed."""

    kind: Literal["fit_progressed"] = "fit_progressed"
    report: TrainingProgress


class EpochDone(Message):
    """An epoch is done."""

    kind: Literal["epoch_done"] = "epoch_done"
    report: EpochReport


class CheckpointWritten(Message):
    """There is a new `CHECKPOINT_FILE`; no other follows until it is taken away."""

    kind: Literal["checkpoint_written"] = "checkpoint_written"
    epochs: int = Field(ge=0)
    steps: int = Field(ge=0)


class Trained(Message):
    """The model is trained and saved as `MODEL_FILE`."""

    kind: Literal["trained"] = "trained"
    training: Metrics
    validation: Metrics
    test: Metrics
    fit: FitSummary
    confusion_matrix: ConfusionMatrix | None
    classification: ClassificationReport | None
    regression: RegressionReport | None
    no_report: Annotated[str | None, Field(max_length=MAX_MESSAGE_LENGTH)]
    cross_validation: CrossValidation | None
    fit_seconds: float = Field(ge=0)
    evaluate_seconds: float = Field(ge=0)
    versions: dict[str, str]


class Failed(Message):
    """The model's code cannot go on."""

    kind: Literal["failed"] = "failed"
    reason: Literal["model_code", "oom", "diverged"]
    message: Annotated[str, Field(max_length=MAX_MESSAGE_LENGTH)]
    line: int | None = None


Command = Build | Train
Report = Ready | Built | FitProgressed | EpochDone | CheckpointWritten | Trained | Failed

COMMANDS: TypeAdapter[Command] = TypeAdapter(
    Annotated[Command, Field(discriminator="kind")]
)
REPORTS: TypeAdapter[Report] = TypeAdapter(Annotated[Report, Field(discriminator="kind")])
