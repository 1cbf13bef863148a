"""How a stream without an end trains a model, and what came of it."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from kafkaml.schemas.base import Request, Resource, Time
from kafkaml.schemas.fit import VALIDATION_PREFIX, Mode

EndedBy = Literal["quiet", "count", "finish"]


class IncrementalOptions(Request):
    """Updates a model as records arrive, and publishes it whenever it got better.

    A share of the records (`validation_rate`, else 0.1) is held back: the newest of these
    measure the model and the one that was published before.
    """

    quiet_seconds: float | None = Field(
        default=60,
        ge=0.1,
        le=30 * 24 * 3600,
        description="the training ends after so long without records; null: never so",
    )
    max_records: int | None = Field(
        default=None, ge=1, le=2**53, description="it ends after so many records"
    )
    update_records: int = Field(
        default=256, ge=2, le=1_000_000, description="records of one update"
    )
    epoch_updates: int = Field(
        default=16,
        ge=1,
        le=100_000,
        description="updates of what the curves show as an epoch; then it is measured",
    )
    passes: int = Field(
        default=1, ge=1, le=1000, description="how often an update is trained on"
    )
    replay_records: int = Field(
        default=4096,
        ge=0,
        le=10_000_000,
        description="earlier records, drawn evenly from all of them, that are kept to be "
        "trained on again, against forgetting; 0: none",
    )
    replay_share: float = Field(
        default=0.25, ge=0, le=0.9, description="of an update that are such records"
    )
    validation_records: int = Field(
        default=1024,
        ge=1,
        le=1_000_000,
        description="of the records held back, how many of the newest measure the model",
    )
    monitor: str = Field(
        default="val_loss",
        min_length=1,
        max_length=200,
        description="what decides whether the model got better: a `val_…` metric",
    )
    mode: Mode = Field(
        default="auto", description="whether less or more is better; auto: by the metric"
    )
    min_delta: float = Field(
        default=0, ge=0, description="by how much it must be better to be published"
    )
    publish_seconds: float = Field(
        default=10,
        ge=0,
        le=30 * 24 * 3600,
        description="at least so long between two models that are published",
    )

    @model_validator(mode="after")
    def _check_monitor(self) -> Self:
        if not self.monitor.startswith(VALIDATION_PREFIX):
            raise ValueError(
                f"monitor must be a metric of the records held back, such as "
                f"'val_loss', not {self.monitor!r}"
            )
        return self


class Improvement(Resource):
    """A model that was published while its training goes on: better than the one before."""

    number: int = Field(description="from 1")
    epoch: int
    values: dict[str, float | None]
    published_at: Time


class ImprovementReport(Request):
    """A model got better; its artifact was uploaded before."""

    artifact_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    epoch: int = Field(ge=1, le=2**31 - 1)
    values: dict[Annotated[str, Field(max_length=200)], float | None] = Field(
        max_length=1000
    )
    stream: dict[str, Any] = Field(description="the control message")
    input_shape: list[int] = Field(max_length=100, description="of one record")


class IncrementalSummary(Resource):
    """What a stream without an end came to."""

    ended_by: EndedBy
    records: int = Field(description="read, by all attempts")
    held_back: int
    updates: int
    improvements: int = Field(description="times that a better model was published")
    ranges: str = Field(
        description="where the records lie; announce them to train on the same again"
    )
