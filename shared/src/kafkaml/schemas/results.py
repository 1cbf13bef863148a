"""What a training measured. Numbers that are not finite, or not defined, are null."""

from pydantic import Field

from kafkaml.schemas.base import Resource


class SkippedRecord(Resource):
    """A record that could not be decoded."""

    coordinates: str = Field(description="`topic:partition:offset`")
    reason: str


class SkippedRecords(Resource):
    """The records that `bad_records` left out of a training."""

    count: int
    rate: float = Field(description="their share of all records that were read")
    first: list[SkippedRecord] = Field(description="ten of them at most")


class FitSummary(Resource):
    """How the fit went."""

    epochs: int = Field(description="epochs done")
    steps_per_epoch: int
    stopped_early: bool = False
    best_epoch: int | None = Field(
        default=None,
        description="the epoch whose weights and metrics were kept; null: the last",
    )
    learning_rate: float | None = Field(
        default=None, description="at the end; null for an optimizer without one"
    )
    class_weight: dict[str, float] | None = Field(
        default=None, description="the weights that `balanced` came to"
    )


class Scores(Resource):
    """Precision, recall and F1, of one class or on average over the classes."""

    precision: float | None = Field(description="null if the class was never predicted")
    recall: float | None = Field(description="null if no record is of the class")
    f1: float | None = Field(description="null if the class never occurred at all")
    support: int = Field(description="records whose true class it is")


class ClassScores(Scores):
    """The scores of one class."""

    label: str


class ClassificationReport(Resource):
    """How well classes are told apart. A score that is not defined counts 0 on average."""

    part: str = Field(description="`test`, `validation` or `training`")
    threshold: float | None = Field(
        default=None,
        description="output from which on a binary classifier says 1; null for others",
    )
    accuracy: float | None
    classes: list[ClassScores]
    macro_average: Scores = Field(description="every class counts alike")
    weighted_average: Scores = Field(description="every record counts alike")


class Percentiles(Resource):
    """Values that 1, 5, … of a hundred are below."""

    p1: float | None
    p5: float | None
    p25: float | None
    p50: float | None
    p75: float | None
    p95: float | None
    p99: float | None


class Residuals(Percentiles):
    """Percentiles of truth - prediction."""


class Errors(Resource):
    """How far predictions are from the truth."""

    mae: float | None = Field(description="mean absolute error")
    rmse: float | None = Field(description="root of the mean squared error")
    r2: float | None = Field(description="null if the truth is always the same")


class OutputErrors(Errors):
    """The errors of one output."""

    output: int = Field(description="its place among the outputs, from 0, flattened")
    residuals: Residuals


class RegressionReport(Errors):
    """The errors of a regression, over all outputs; R² is the mean of theirs."""

    part: str = Field(description="`test`, `validation` or `training`")
    outputs: list[OutputErrors] = Field(description="empty if there are more than 32")


class FoldMetric(Resource):
    """One metric over the folds."""

    mean: float | None
    deviation: float | None = Field(description="standard deviation of the folds' values")
    values: list[float | None] = Field(description="by fold")


class CrossValidation(Resource):
    """Each fold's model, measured on the records that it was not fitted on."""

    folds: int
    metrics: dict[str, FoldMetric]
