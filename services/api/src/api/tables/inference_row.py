"""Inferences."""

from typing import Any

from sqlalchemy import Index, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.tables.base import CreatedAt, JsonObject, PrimaryKey, Table, UtcTime
from api.tables.columns import OptionalJson, reference, text_enum
from api.tables.model_set import ModelSet, ServedModel
from api.tables.training_row import TrainingRow
from kafkaml.schemas.dead_letters import DeadLetterLimit, Pause
from kafkaml.schemas.deployments import Resources
from kafkaml.schemas.engines import EngineChoice, EngineReport
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.outputs import EarlyExit, Guarantee, OutputConfig, OutputFormat
from kafkaml.schemas.states import FailureReason, InferenceState
from kafkaml.schemas.statistics import DriftAlarm, DriftOptions
from kafkaml.schemas.trainings import Artifact, Failure

_ACTIVE = "state IN ('queued', 'starting', 'serving')"
# Written out, not bound, so that every plan can use the partial index.
INFERENCE_IS_ACTIVE = text(f"inference.{_ACTIVE}")


class InferenceRow(Table):
    """A trained model that is served; `serving_replicas` are those that answer.

    `kept_…artifact` is the model of a training that was not finished then, and may have
    published others since. `revision` counts which models are to answer;
    `serving_revisions` says by the number of a replica which it was that told last.
    """

    __tablename__ = "inference"
    __table_args__ = (Index("ix_inference_active", "id", postgresql_where=text(_ACTIVE)),)

    id: Mapped[PrimaryKey]
    training_id: Mapped[int] = reference("training")
    canary_training_id: Mapped[int | None] = reference("training", optional=True)
    canary_share: Mapped[float | None]
    shadow_training_id: Mapped[int | None] = reference("training", optional=True)
    revision: Mapped[int] = mapped_column(server_default="1")
    serving_revisions: Mapped[JsonObject] = mapped_column(server_default="{}")
    previous_models: Mapped[OptionalJson]
    state: Mapped[InferenceState] = text_enum(InferenceState)
    attempt: Mapped[int] = mapped_column(server_default="1")
    replicas: Mapped[int]
    serving_replicas: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    input_topic: Mapped[str]
    output_topic: Mapped[str]
    input_format: Mapped[str]
    input_config: Mapped[JsonObject]
    start: Mapped[str]
    guarantee: Mapped[Guarantee] = text_enum(Guarantee)
    output_format: Mapped[OutputFormat] = text_enum(OutputFormat)
    output_config: Mapped[JsonObject]
    input_cluster: Mapped[str | None]
    output_cluster: Mapped[str | None]
    early_exit_limit: Mapped[float | None]
    upper_topic: Mapped[str | None]
    early_exit_layer: Mapped[str | None]
    wanted_engine: Mapped[EngineChoice] = text_enum(EngineChoice)
    engine: Mapped[OptionalJson]
    kept_artifact: Mapped[OptionalJson]
    kept_canary_artifact: Mapped[OptionalJson]
    kept_shadow_artifact: Mapped[OptionalJson]
    resources: Mapped[JsonObject]
    drift: Mapped[OptionalJson]
    drift_alarm: Mapped[OptionalJson]
    dead_letter_limit: Mapped[OptionalJson]
    pause: Mapped[OptionalJson]
    resumptions: Mapped[int] = mapped_column(server_default="0")
    notice: Mapped[str | None]
    failure_reason: Mapped[FailureReason | None] = text_enum(FailureReason, optional=True)
    failure_message: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    stopped_at: Mapped[UtcTime | None]

    training: Mapped[TrainingRow] = relationship(
        lazy="raise", foreign_keys="InferenceRow.training_id"
    )
    canary_training: Mapped[TrainingRow | None] = relationship(
        lazy="raise", foreign_keys="InferenceRow.canary_training_id"
    )
    shadow_training: Mapped[TrainingRow | None] = relationship(
        lazy="raise", foreign_keys="InferenceRow.shadow_training_id"
    )

    @property
    def dead_letter_topic(self) -> str:
        """Where records go that cannot be answered."""
        return f"{self.output_topic}.dlq"

    @property
    def shadow_topic(self) -> str | None:
        """Where the answers of the shadow go, if there is one."""
        return f"{self.output_topic}.shadow" if self.shadow_training_id else None

    @property
    def artifacts(self) -> list[Artifact]:
        """The model that is served, in every format that it has."""
        return _artifacts_of(self.training, self.kept_artifact)

    @property
    def canary_artifacts(self) -> list[Artifact]:
        """The same of the canary; none without one."""
        return _artifacts_of(self.canary_training, self.kept_canary_artifact)

    @property
    def shadow_artifacts(self) -> list[Artifact]:
        """The same of the shadow; none without one."""
        return _artifacts_of(self.shadow_training, self.kept_shadow_artifact)

    @property
    def models(self) -> ModelSet:
        """The models that are to answer."""
        return ModelSet(
            primary=ServedModel(
                training_id=self.training_id, kept_artifact=_artifact(self.kept_artifact)
            ),
            canary=_served(self.canary_training_id, self.kept_canary_artifact),
            canary_share=self.canary_share,
            shadow=_served(self.shadow_training_id, self.kept_shadow_artifact),
        )

    @property
    def models_before(self) -> ModelSet | None:
        """The models that answered before, if they were others."""
        if self.previous_models is None:
            return None
        return ModelSet.model_validate(self.previous_models)

    @property
    def early_exit(self) -> EarlyExit | None:
        """Where records go on that the model is not sure of, if anywhere."""
        if self.early_exit_limit is None or self.upper_topic is None:
            return None
        return EarlyExit(
            limit=self.early_exit_limit,
            upper_topic=self.upper_topic,
            layer=self.early_exit_layer,
        )

    @property
    def limit_of_dead_letters(self) -> DeadLetterLimit | None:
        """When it is to pause, if ever."""
        if self.dead_letter_limit is None:
            return None
        return DeadLetterLimit.model_validate(self.dead_letter_limit)

    @property
    def drift_options(self) -> DriftOptions | None:
        """When its records count as drifted, if they are watched."""
        return None if self.drift is None else DriftOptions.model_validate(self.drift)

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
            guarantee=self.guarantee,
            output_format=self.output_format,
            output_config=OutputConfig.model_validate(self.output_config),
            input_cluster=self.input_cluster,
            output_cluster=self.output_cluster,
            early_exit=self.early_exit,
            wanted_engine=self.wanted_engine,
            engine=EngineReport.model_validate(self.engine) if self.engine else None,
            drift=self.drift_options,
            drift_alarm=(
                DriftAlarm.model_validate(self.drift_alarm) if self.drift_alarm else None
            ),
            dead_letter_limit=self.limit_of_dead_letters,
            pause=Pause.model_validate(self.pause) if self.pause else None,
            resources=self.to_resources(),
            models=self.models.to_resource(),
            previous_models=self.models_before and self.models_before.to_resource(),
            revision=self.revision,
            serving_revisions={
                str(each): self.serving_revisions[str(each)]
                for each in self.serving_replicas
                if str(each) in self.serving_revisions
            },
            notice=self.notice,
            failure=self.failure,
            created_at=self.created_at,
            stopped_at=self.stopped_at,
        )


def _artifacts_of(
    training: TrainingRow | None, kept: dict[str, Any] | None
) -> list[Artifact]:
    if kept is not None:
        return [Artifact.model_validate(kept)]
    return training.artifacts if training else []


def _artifact(kept: dict[str, Any] | None) -> Artifact | None:
    return None if kept is None else Artifact.model_validate(kept)


def _served(training_id: int | None, kept: dict[str, Any] | None) -> ServedModel | None:
    if training_id is None:
        return None
    return ServedModel(training_id=training_id, kept_artifact=_artifact(kept))
