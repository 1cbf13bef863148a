"""Trainings."""

from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.tables.base import CreatedAt, PrimaryKey, Table, UtcTime
from api.tables.columns import OptionalJson, reference, text_enum
from api.tables.deployment_row import DeploymentRow
from api.tables.model_version_row import ModelVersionRow
from kafkaml.schemas.incremental import Improvement
from kafkaml.schemas.states import FailureReason, TrainingState
from kafkaml.schemas.trainings import (
    Artifact,
    ArtifactFormat,
    Failure,
    Training,
    TrainingProgress,
    TrainingResult,
)

_ACTIVE = "state IN ('queued', 'starting', 'waiting', 'training')"
# Written out, not bound, so that every plan can use the partial index.
TRAINING_IS_ACTIVE = text(f"training.{_ACTIVE}")


class TrainingRow(Table):
    """One model version of one deployment.

    `artifact_…` is what the present attempt uploaded, `exports` the same in other formats;
    they count once that is finished, or has failed.
    `checkpoint_…` is where another attempt can go on, and outlives the one that made it.
    `improvement` is the model that was published last by a training of a stream without an
    end: its artifact, and what it was trained on. It outlives its attempt, too.
    """

    __tablename__ = "training"
    __table_args__ = (Index("ix_training_active", "id", postgresql_where=text(_ACTIVE)),)

    id: Mapped[PrimaryKey]
    deployment_id: Mapped[int] = reference("deployment", on_delete="CASCADE")
    model_version_id: Mapped[int] = reference("model_version")
    state: Mapped[TrainingState] = text_enum(TrainingState)
    attempt: Mapped[int] = mapped_column(server_default="1")
    losses: Mapped[int] = mapped_column(server_default="0")
    epochs: Mapped[int]
    epoch: Mapped[int] = mapped_column(server_default="0")
    progress: Mapped[OptionalJson]
    notice: Mapped[str | None]
    failure_reason: Mapped[FailureReason | None] = text_enum(FailureReason, optional=True)
    failure_message: Mapped[str | None]
    result: Mapped[OptionalJson]
    confusion_matrix: Mapped[OptionalJson] = mapped_column(
        JSONB(none_as_null=True), deferred=True, deferred_raiseload=True
    )
    artifact_sha256: Mapped[str | None]
    artifact_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    exports: Mapped[OptionalJson]
    improvement: Mapped[OptionalJson]
    is_to_finish: Mapped[bool] = mapped_column(server_default="false")
    checkpoint_sha256: Mapped[str | None]
    checkpoint_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
    started_at: Mapped[UtcTime | None]
    finished_at: Mapped[UtcTime | None]

    deployment: Mapped[DeploymentRow] = relationship(
        back_populates="trainings", lazy="raise"
    )
    version: Mapped[ModelVersionRow] = relationship(lazy="raise")

    @property
    def artifact(self) -> Artifact | None:
        """The trained model; what was kept or published of it if it is not finished."""
        is_over = self.state in {TrainingState.FINISHED, TrainingState.FAILED}
        if is_over and self.artifact_sha256 is not None:
            return Artifact(
                sha256=self.artifact_sha256, size_bytes=self.artifact_size_bytes or 0
            )
        published = self.improvement
        return None if published is None else Artifact.model_validate(published["artifact"])

    @property
    def trained_on(self) -> dict[str, Any] | None:
        """The `stream` and the `input_shape` of the model, if there is one."""
        return self.result or self.improvement

    @property
    def artifacts(self) -> list[Artifact]:
        """The trained model in every format that it has."""
        if self.artifact is None:
            return []
        exports = self.exports or {}
        known = [exports[each] for each in ArtifactFormat if each in exports]
        return [self.artifact, *map(Artifact.model_validate, known)]

    @property
    def checkpoint(self) -> Artifact | None:
        """How far a fit has come, if an attempt told."""
        if self.checkpoint_sha256 is None:
            return None
        return Artifact(
            sha256=self.checkpoint_sha256, size_bytes=self.checkpoint_size_bytes or 0
        )

    @property
    def failure(self) -> Failure | None:
        """Why the training failed, if it did."""
        if self.failure_reason is None:
            return None
        return Failure(reason=self.failure_reason, message=self.failure_message or "")

    def to_resource(self) -> Training:
        """Return the training; its version and that one's model must be loaded."""
        return Training(
            id=self.id,
            deployment_id=self.deployment_id,
            model_id=self.version.model_id,
            model_name=self.version.model.name,
            model_version=self.version.number,
            state=self.state,
            attempt=self.attempt,
            epochs=self.epochs,
            epoch=self.epoch,
            progress=_progress_of(self.progress),
            notice=self.notice,
            failure=self.failure,
            result=TrainingResult.model_validate(self.result) if self.result else None,
            improvement=_improvement_of(self.improvement),
            artifact=self.artifact,
            artifacts=self.artifacts,
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
        )


def _improvement_of(stored: dict[str, Any] | None) -> Improvement | None:
    return None if stored is None else Improvement.model_validate(stored)


def _progress_of(stored: dict[str, Any] | None) -> TrainingProgress | None:
    return None if stored is None else TrainingProgress.model_validate(stored)
