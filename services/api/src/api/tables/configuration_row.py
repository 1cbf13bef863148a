"""Configurations."""

from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.tables.base import CreatedAt, PrimaryKey, Table
from api.tables.configuration_model_row import ConfigurationModelRow
from kafkaml.schemas.configurations import Configuration


class ConfigurationRow(Table):
    """A named set of models in the order that the user gave."""

    __tablename__ = "configuration"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str]
    created_at: Mapped[CreatedAt]

    members: Mapped[list[ConfigurationModelRow]] = relationship(
        order_by=ConfigurationModelRow.position,
        cascade="all, delete-orphan",
        passive_deletes=True,
        lazy="raise",
    )

    def to_resource(self) -> Configuration:
        """Return the configuration; its members must be loaded."""
        return Configuration(
            id=self.id,
            name=self.name,
            description=self.description,
            model_ids=[member.model_id for member in self.members],
            created_at=self.created_at,
        )
