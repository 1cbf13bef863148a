"""Models."""

from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.tables.base import CreatedAt, PrimaryKey, Table
from api.tables.model_version_row import ModelVersionRow
from kafkaml.schemas.models import Model


class ModelRow(Table):
    """A named model; `version_number` is that of its newest version."""

    __tablename__ = "model"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str]
    version_number: Mapped[int]
    created_at: Mapped[CreatedAt]

    version: Mapped[ModelVersionRow] = relationship(
        primaryjoin="and_(foreign(ModelRow.id) == ModelVersionRow.model_id, "
        "foreign(ModelRow.version_number) == ModelVersionRow.number)",
        viewonly=True,
        uselist=False,
        lazy="raise",
    )

    def to_resource(self) -> Model:
        """Return the model with its newest version, which must be loaded."""
        return Model(
            id=self.id,
            name=self.name,
            description=self.description,
            version=self.version.to_resource(),
            created_at=self.created_at,
        )
