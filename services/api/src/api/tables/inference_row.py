"""Inferences."""

from sqlalchemy import Index, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.tables.base import CreatedAt, JsonObject, PrimaryKey, Table, UtcTime
from api.tables.columns import reference, text_enum
from api.tables.training_row import TrainingRow
from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.states import FailureReason, InferenceState
from kafkaml.schemas.trainings import Failure

_ACTIVE = "state IN ('queued', 'starting', 'serving')"
# Written out, not bound, so that every plan can use the partial index.
INFERENCE_IS_ACTIVE = text(f"inference.{_ACTIVE}")


class InferenceRow(Table):
    """A finished training that is served; `serving_replicas` are those that answer."""

    __tablename__ = "inference"
    __table_args__ = (Index("ix_inference_active", "id", postgresql_where=text(_ACTIVE)),)

    id: Mapped[PrimaryKey]
    training_id: Mapped[int] = reference("training")
    state: Mapped[InferenceState] = text_enum(InferenceState)
    attempt: Mapped[int] = mapped_column(server_default="1")
    replicas: Mapped[int]
    serving_replicas: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    input_topic: Mapped[str]
    output_topic: Mapped[str]
    input_format: Mapped[str]
    input_config: Mapped[JsonObject]
    start: Mapped[str]
    resources: Mapped[JsonObject]
    notice: Mapped[str | None]
    failure_reason: Mapped[FailureReason | None] = text_enum(FailureReason, optional=True)
    failure_message: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    stopped_at: Mapped[UtcTime | None]

    training: Mapped[TrainingRow] = relationship(lazy="raise")

    @property
    def dead_letter_topic(self) -> str:
        """Where records go that cannot be answered."""
        return f"{self.output_topic}.dlq"

    @property
    def failure(self) -> Failure | None:
        """Why the inference failed, if it did."""
        if self.failure_reason is None:
            return None
        return Failure(reason=self.failure_reason, message=self.failure_message or "")

    def to_resources(self) -> Resources:
        """Return what one replica may use."""
        return Resources.model_validate(self.resources)

    def to_resource(self) -> Inference:
        """Return the inference."""
        return Inference(
            id=self.id,
            training_id=self.training_id,
            state=self.state,
            replicas=self.replicas,
            ready_replicas=len(self.serving_replicas),
            input_topic=self.input_topic,
            output_topic=self.output_topic,
            dead_letter_topic=self.dead_letter_topic,
            input_format=self.input_format,
            input_config=self.input_config,
            start=self.start,
            resources=self.to_resources(),
            notice=self.notice,
            failure=self.failure,
            created_at=self.created_at,
            stopped_at=self.stopped_at,
        )
