"""What passes between the trainer and the child that runs the model's code.

Commands go to the child, reports come back, each as one line of JSON. The child is not
trusted: the trainer checks each report by these types.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from kafkaml.descriptions import TensorSignature
from kafkaml.schemas.attempts import EpochReport
from kafkaml.schemas.deployments import ExportFormat, TrainingParameters
from kafkaml.schemas.fit import MixedPrecision
from kafkaml.schemas.incremental import IncrementalOptions
from kafkaml.schemas.models import ModelCheck
from kafkaml.schemas.results import (
    ClassificationReport,
    CrossValidation,
    FitSummary,
    RegressionReport,
)
from kafkaml.schemas.trainings import ArtifactFormat, ConfusionMatrix, TrainingProgress

LabelRule = Literal["classes", "probabilities", "outputs", "any"]
Metrics = dict[str, float | None]

MODEL_FILE = "model.keras"
DATA_DIRECTORY = "data"
CHECKPOINT_FILE = "training.checkpoint"
RESUME_FILE = "resumed.checkpoint"
IMPROVED_FILE = "improved.keras"
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
    """Train the model on the arrays in the data directory.

    Arrays of more than `data_memory_bytes` are not loaded as a whole; null: all are.
    """

    kind: Literal["train"] = "train"
    parameters: TrainingParameters
    data_memory_bytes: int | None = None
    checkpointing: Checkpointing | None = None


class TrainStream(Message):
    """Train the model on updates that follow, until `EndStream`.

    Of each update `validation_rate` is held back.
    """

    kind: Literal["train_stream"] = "train_stream"
    parameters: TrainingParameters
    options: IncrementalOptions
    validation_rate: float = Field(gt=0, lt=1)
    checkpointing: Checkpointing | None = None


class Update(Message):
    """The next records, as `update_files(number)`, and how far the stream is read then.

    Both `starts` and `positions` hold an offset of each partition.
    """

    kind: Literal["update"] = "update"
    number: int = Field(ge=1)
    starts: dict[int, int]
    positions: dict[int, int]


class EndStream(Message):
    """No update follows."""

    kind: Literal["end_stream"] = "end_stream"


class Ready(Message):
    """TensorFlow is imported; the source runs next."""

    kind: Literal["ready"] = "ready"


class Built(Message):
    """The source gave a usable model.

    `labels` says what the loss takes as labels: numbers of `classes`, `probabilities` (or
    zeros and ones) of the shape of the outputs, any numbers of the shape of the `outputs`,
    or `any` for a loss that is not Keras' own.
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


class StreamStarted(Message):
    """The updates may follow, from where the stream was read to; null: from its start."""

    kind: Literal["stream_started"] = "stream_started"
    updates: int = Field(default=0, ge=0, description="done by an attempt before")
    records: int = Field(default=0, ge=0)
    held_back: int = Field(default=0, ge=0)
    starts: dict[int, int] = Field(default_factory=dict)
    positions: dict[int, int] | None = None


class UpdateDone(Message):
    """The model was trained on an update; its files are gone."""

    kind: Literal["update_done"] = "update_done"
    number: int


class Improved(Message):
    """A better model is in `IMPROVED_FILE`; no other follows until it is taken away."""

    kind: Literal["improved"] = "improved"
    epoch: int = Field(ge=1)
    values: Metrics


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
    input: TensorSignature | None = None
    output: TensorSignature | None = None


class StreamTrained(Message):
    """The model was trained on all updates."""

    kind: Literal["stream_trained"] = "stream_trained"
    trained: Trained
    updates: int = Field(ge=0)
    records: int = Field(ge=0)
    held_back: int = Field(ge=0)
    improvements: int = Field(ge=0)


class Export(Message):
    """Make exports of a model's file, in the present folder: the first and only command.

    The data directory has records to try them on.
    """

    kind: Literal["export"] = "export"
    model_file: str
    data_directory: str
    formats: list[ExportFormat]
    memory_bytes: int | None


class Exported(Message):
    """An export is made, or cannot be; its file is that of `export_file`."""

    kind: Literal["exported"] = "exported"
    format: ExportFormat
    seconds: float = Field(ge=0)
    error: Annotated[str | None, Field(max_length=MAX_MESSAGE_LENGTH)]


class Failed(Message):
    """The model's code cannot go on.

    `kept` says of when the model in `MODEL_FILE` is, if one was saved before it diverged.
    """

    kind: Literal["failed"] = "failed"
    reason: Literal["model_code", "oom", "diverged"]
    message: Annotated[str, Field(max_length=MAX_MESSAGE_LENGTH)]
    line: int | None = None
    kept: Annotated[str | None, Field(max_length=100)] = None


def update_files(number: int) -> tuple[str, str]:
    """Return the names of the features and the labels of an update, in its directory."""
    return f"update-{number}.features.npy", f"update-{number}.labels.npy"


def export_file(wanted: ArtifactFormat) -> str:
    """Return the name of the file of an export."""
    return f"model{wanted.suffix}"


Command = Build | Train | TrainStream | Update | EndStream | Export
Report = (
    Ready
    | Built
    | FitProgressed
    | EpochDone
    | CheckpointWritten
    | Trained
    | StreamStarted
    | UpdateDone
    | Improved
    | StreamTrained
    | Exported
    | Failed
)

COMMANDS: TypeAdapter[Command] = TypeAdapter(
    Annotated[Command, Field(discriminator="kind")]
)
REPORTS: TypeAdapter[Report] = TypeAdapter(Annotated[Report, Field(discriminator="kind")])
