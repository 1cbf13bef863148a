"""Versions of models."""

from typing import TYPE_CHECKING

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.tables.base import CreatedAt, PrimaryKey, Table
from api.tables.columns import OptionalJson, reference, text_enum
from kafkaml.schemas.models import ModelCheck, ModelError, ModelVersion
from kafkaml.schemas.states import ModelVersionState

if TYPE_CHECKING:
    from api.tables.model_row import ModelRow

VERSION_IS_CHECKING = text("model_version.state = 'checking'")


class ModelVersionRow(Table):
    """One immutable source; `attempt` and `losses` are those of its check."""

    __tablename__ = "model_version"
    __table_args__ = (
        UniqueConstraint("model_id", "number"),
        Index(
            "ix_model_version_checking", "id", postgresql_where=text("state = 'checking'")
        ),
    )

    id: Mapped[PrimaryKey]
    model_id: Mapped[int] = reference("model", on_delete="CASCADE", index=False)
    number: Mapped[int]
    state: Mapped[ModelVersionState] = text_enum(ModelVersionState)
    source: Mapped[str]
    check: Mapped[OptionalJson]
    error: Mapped[OptionalJson]
    notice: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(server_default="1")
    losses: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[CreatedAt]

    model: Mapped["ModelRow"] = relationship(viewonly=True, lazy="raise")

    def to_resource(self) -> ModelVersion:
        """Return the version with the outcome of its check."""
        return ModelVersion(
            number=self.number,
            state=self.state,
            source=self.source,
            notice=self.notice,
            check=ModelCheck.model_validate(self.check) if self.check else None,
            error=ModelError.model_validate(self.error) if self.error else None,
            created_at=self.created_at,
        )
