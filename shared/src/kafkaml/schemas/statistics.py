"""What the replicas of an inference measure, and what is made of it."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from kafkaml.schemas.base import Id, Message, Request, Resource, Time

LATENCY_BOUNDS_SECONDS = tuple(0.001 * 2 ** (power / 4) for power in range(109))
"""Upper ends of the bins of latencies, four an octave from 1 ms to 1.5 days.

They are the same for all replicas, so that counts can be added. One more bin follows.
"""
CALL_BOUNDS_SECONDS = tuple(1e-5 * 2 ** (power / 4) for power in range(93))
"""The same for the time of a model's calls, from 10 us to 80 s."""
MAX_TOP_FEATURES = 10
MAX_CLASSES = 1000

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, Field(ge=0)]
Limit = Annotated[float, Field(gt=0, le=100)]
StageName = Annotated[str, Field(pattern="^(decode|predict|encode|deliver|commit)$")]
ClassNumber = Annotated[str, Field(pattern="^[0-9]{1,10}$")]
ReportedTime = Annotated[Time, Field(strict=False)]


class DriftOptions(Request):
    """When records count as other than those that the model was trained on.

    Each replica compares windows of `window_records` with the training records. A limit
    that chance alone would exceed, because the window or the training is small, is raised
    to what chance explains.
    """

    window_records: int = Field(default=1000, ge=100, le=1_000_000)
    psi_limit: Limit = Field(default=0.2, description="population stability index")
    ks_limit: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.2, description="Kolmogorov-Smirnov statistic"
    )
    features: bool = Field(
        default=True, description="false: only the predicted classes are compared"
    )


class FeatureDrift(Request):
    """How far one feature of a window is from the training."""

    feature: int = Field(ge=0, description="place in the flattened record")
    name: Annotated[Message, Field(max_length=200)] | None = None
    psi: float = Field(ge=0)
    ks: float = Field(ge=0, le=1)


class FeaturesDrift(Request):
    """How far the features of a window are from the training."""

    psi_max: float = Field(ge=0)
    psi_mean: float = Field(ge=0)
    ks_max: float = Field(ge=0, le=1)
    ks_mean: float = Field(ge=0, le=1)
    psi_limit: float = Field(gt=0, description="raised to what chance explains")
    ks_limit: float = Field(gt=0)
    top: list[FeatureDrift] = Field(
        max_length=MAX_TOP_FEATURES, description="those furthest above their limits"
    )


class ClassesDrift(Request):
    """How far the predicted classes of a window are from those of the training."""

    psi: float = Field(ge=0)
    ks: float = Field(ge=0, le=1)
    psi_limit: float = Field(gt=0)
    ks_limit: float = Field(gt=0)
    shares: dict[ClassNumber, Annotated[float, Field(ge=0, le=1)]] = Field(
        max_length=MAX_CLASSES, description="of the window, by class"
    )


class WindowDrift(Request):
    """The newest full window of a replica, against the training of its model."""

    training_id: Id
    records: Count = Field(description="in the window; at high rates a sample of them")
    began_at: ReportedTime
    ended_at: ReportedTime
    level: float = Field(
        ge=0, description="the largest of all figures, as a share of its limit"
    )
    features: FeaturesDrift | None = None
    classes: ClassesDrift | None = None


class RecentFigures(Request):
    """What a replica did in the last minute or so."""

    seconds: Seconds
    records: Count
    batches: Count
    latency_counts: list[Count] = Field(
        description="answers and dead letters by the time since their record's timestamp",
    )
    stage_seconds: dict[StageName, Seconds] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        if len(self.latency_counts) != len(LATENCY_BOUNDS_SECONDS) + 1:
            raise ValueError(
                f"latency_counts has {len(LATENCY_BOUNDS_SECONDS) + 1} numbers"
            )
        return self


class PartitionLag(Request):
    """How many records of a partition are not taken yet."""

    partition: int = Field(ge=0, le=2**31 - 1)
    records: Count


class ModelRole(StrEnum):
    """What a model is there for."""

    PRIMARY = "primary"
    CANARY = "canary"
    SHADOW = "shadow"


class ModelFigures(Request):
    """What one model did in one replica, since `revision` began to answer there.

    A batch that is done again counts again.
    """

    role: ModelRole = Field(strict=False)
    revision: int = Field(ge=1, le=2**31 - 1)
    training_id: Id
    model_version: int = Field(ge=1, le=2**31 - 1)
    answered: Count
    failed: Count = Field(description="records that it could not predict")
    dropped: Count = Field(description="of a shadow: it had no time for them")
    unsent: Count = Field(description="of a shadow: answers that Kafka did not take")
    trouble: Message | None = Field(default=None, description="its last failure")
    call_seconds: Seconds
    call_counts: list[Count] = Field(description="calls by their time")
    looked_at: Count = Field(description="answers that the following figures are about")
    not_finite: Count
    score_sum: float
    score_square_sum: Annotated[float, Field(ge=0)]
    classes: dict[ClassNumber, Count] = Field(max_length=MAX_CLASSES)

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        if len(self.call_counts) != len(CALL_BOUNDS_SECONDS) + 1:
            raise ValueError(f"call_counts has {len(CALL_BOUNDS_SECONDS) + 1} numbers")
        return self


class StatisticsReport(Request):
    """What one replica counts since it began; only the newest report is kept.

    `instance` is a name that no other process has.
    """

    replica: int = Field(ge=0, le=2**31 - 1)
    instance: Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")]
    uptime_seconds: Seconds
    answers: Count
    dead_letters: dict[StageName, Count]
    errors: dict[StageName, Count] = Field(
        description="failures of a stage after which it was done again"
    )
    lags: list[PartitionLag] = Field(
        max_length=10_000, description="of each partition that the replica has"
    )
    recent: RecentFigures
    drift: WindowDrift | None = None
    models: list[ModelFigures] = Field(default_factory=list, max_length=len(ModelRole))


class Latency(Resource):
    """Seconds from the timestamp of a record to its answer, within 10 %."""

    p50: float
    p95: float
    p99: float


class ReplicaStatistics(Resource):
    """What one replica told last."""

    replica: int
    instance: str
    reported_at: Time
    uptime_seconds: float
    answers: int
    dead_letters: int
    errors: int
    lag: int
    records_per_second: float
    drift: WindowDrift | None = None


class CallTime(Resource):
    """Seconds of one call of a model with a batch, within 10 %."""

    p50: float
    p95: float
    p99: float


class Score(Resource):
    """Of each answer its largest number: with classes, how sure the model was."""

    mean: float
    deviation: float = Field(description="standard deviation")


class ModelStatistics(Resource):
    """What one model did since it serves in its role, in all replicas.

    Classes and scores are of up to some thousand answers of each batch.
    """

    role: ModelRole
    training_id: Id
    model_version: int
    answered: int
    failed: int = Field(description="records that it could not predict")
    dropped: int = Field(description="of a shadow: it had no time for them")
    unsent: int = Field(description="of a shadow: answers that Kafka did not take")
    trouble: str | None = Field(default=None, description="its last failure")
    microseconds: float | None = Field(description="mean per record")
    call: CallTime | None
    records_per_call: float | None
    looked_at: int = Field(description="answers that the following figures are about")
    not_finite: int = Field(description="of these, with a number that is none")
    score: Score | None
    classes: dict[str, float] = Field(description="shares of the likeliest class")


class DriftAlarm(Resource):
    """Records are other than those of the training."""

    since: Time
    reason: str


class InferenceStatistics(Resource):
    """What the replicas that reported in the last half minute count, in all.

    Rates, means and latencies are of the last minute.
    """

    inference_id: Id
    at: Time
    answers: int
    dead_letters: dict[str, int] = Field(description="by stage")
    errors: dict[str, int] = Field(description="by stage")
    records_per_second: float
    batch_records: float | None = Field(description="mean size; null without records")
    stage_microseconds: dict[str, float] = Field(description="mean per record, by stage")
    latency: Latency | None = None
    lag: int
    lags: list[PartitionLag]
    drift: WindowDrift | None = Field(
        default=None, description="of the replica where it is largest"
    )
    drift_alarm: DriftAlarm | None = None
    models: list[ModelStatistics] = Field(
        default_factory=list,
        description="primary, canary and shadow of the newest revision",
    )
    replicas: list[ReplicaStatistics]
