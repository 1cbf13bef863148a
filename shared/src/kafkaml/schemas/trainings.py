"""Trainings: one model version of one deployment, and what came of it."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from kafkaml.schemas.base import Id, Notice, Resource, Time
from kafkaml.schemas.incremental import Improvement, IncrementalSummary
from kafkaml.schemas.results import (
    ClassificationReport,
    CrossValidation,
    FitSummary,
    RegressionReport,
    SkippedRecords,
)
from kafkaml.schemas.states import FailureReason, TrainingState


class ArtifactFormat(StrEnum):
    """What a file of a trained model is: Keras' own, or an export."""

    KERAS = "keras"
    SAVED_MODEL = "saved_model"
    LITERT = "litert"
    ONNX = "onnx"

    @property
    def suffix(self) -> str:
        """What the name of such a file ends in."""
        return {
            ArtifactFormat.KERAS: ".keras",
            ArtifactFormat.SAVED_MODEL: ".saved_model.zip",
            ArtifactFormat.LITERT: ".litert.zip",
            ArtifactFormat.ONNX: ".onnx",
        }[self]


class Failure(Resource):
    """Why something failed."""

    reason: FailureReason
    message: str = Field(description="what happened, and what to do about it")


class SplitCounts(Resource):
    """How many records each part of the data set has."""

    training: int
    validation: int
    test: int


class Timings(Resource):
    """Where the time of an attempt went, in seconds."""

    build: float = Field(description="start of the process to the model being built")
    read: float = Field(description="reading and decoding the stream")
    first_step: float = Field(
        description="from the control message being seen to the end of the first epoch's "
        "first step"
    )
    fit: float
    evaluate: float
    total: float


class ExportResult(Resource):
    """What came of one export that was asked for."""

    format: ArtifactFormat
    size_bytes: int | None = Field(default=None, description="null if it failed")
    seconds: float
    error: str | None = Field(default=None, description="why there is none; null if one is")


class TrainingResult(Resource):
    """What a finished training measured. Numbers that are not finite are null."""

    training: dict[str, float | None]
    validation: dict[str, float | None] = Field(default_factory=dict)
    test: dict[str, float | None] = Field(default_factory=dict)
    counts: SplitCounts
    timings: Timings
    stream: dict[str, Any] = Field(description="the control message it was trained on")
    input_shape: list[int] = Field(description="of one record")
    versions: dict[str, str] = Field(
        default_factory=dict, description="of Python and the libraries used"
    )
    fit: FitSummary | None = None
    classification: ClassificationReport | None = None
    regression: RegressionReport | None = None
    no_report: str | None = Field(
        default=None, description="why it is neither a classification nor a regression"
    )
    cross_validation: CrossValidation | None = None
    incremental: IncrementalSummary | None = Field(
        default=None, description="of a stream without an end"
    )
    exports: list[ExportResult] = Field(
        default_factory=list, description="one for each that was asked for"
    )
    label_counts: dict[str, int] | None = Field(
        default=None,
        description="training records of each class; null if labels are no classes",
    )
    skipped: SkippedRecords | None = Field(
        default=None, description="null if no record was left out"
    )
    warnings: list[str] = Field(
        default_factory=list, description="what is odd about the records"
    )


class Artifact(Resource):
    """The trained model as a file."""

    format: ArtifactFormat = ArtifactFormat.KERAS
    size_bytes: int
    sha256: str


class ConfusionMatrix(Resource):
    """Counts by true class (row) and predicted class (column), on the test records.

    Without test records the validation records count, without these the training records.
    """

    labels: list[str]
    matrix: list[list[int]]
    part: str = Field(description="`test`, `validation` or `training`")


class TrainingProgress(Resource):
    """How far a fit is, told about once a second."""

    epoch: int = Field(ge=1, le=2**31 - 1, description="the one under way, from 1")
    step: int = Field(ge=0, le=2**53, description="batches done in it")
    steps: int = Field(ge=1, le=2**53, description="batches of an epoch")
    records_per_second: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="since it was told before"
    )
    eta_seconds: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="to the end of the last epoch, if no callback ends the fit before",
    )
    fold: int | None = Field(
        default=None, ge=1, le=1000, description="the one under way; null: all records"
    )
    records: int | None = Field(
        default=None,
        ge=0,
        le=2**53,
        description="of a stream without an end, so far; its steps are updates",
    )


class Training(Resource):
    """One model version of one deployment being trained, and its result."""

    id: Id
    deployment_id: Id
    model_id: Id
    model_name: str
    model_version: int
    state: TrainingState
    attempt: int
    epochs: int = Field(
        description="epochs to train in all; says nothing of a stream without an end"
    )
    epoch: int = Field(description="epochs done by this attempt")
    progress: TrainingProgress | None = Field(
        default=None, description="how far the fit of this attempt was when it last told"
    )
    notice: Notice = None
    failure: Failure | None = None
    result: TrainingResult | None = None
    improvement: Improvement | None = Field(
        default=None,
        description="the newest model that was published, of a stream without an end",
    )
    artifact: Artifact | None = Field(
        default=None,
        description="the `.keras` file; of a training that failed, its last good weights",
    )
    artifacts: list[Artifact] = Field(
        default_factory=list, description="the file in every format that there is"
    )
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None


class EpochMetrics(Resource):
    """Every metric after one epoch, under the names that Keras gives them."""

    epoch: int = Field(description="from 1")
    values: dict[str, float | None] = Field(
        examples=[{"loss": 0.31, "accuracy": 0.91, "val_loss": 0.4}]
    )


class TrainingMetrics(Resource):
    """The curves of one attempt."""

    training_id: Id
    attempt: int
    epochs: list[EpochMetrics]
