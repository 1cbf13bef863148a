"""Which models a configuration has."""

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import Table
from api.tables.columns import reference


class ConfigurationModelRow(Table):
    """One model at its place in a configuration, from 0."""

    __tablename__ = "configuration_model"
    __table_args__ = (UniqueConstraint("configuration_id", "model_id"),)

    configuration_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("configuration.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    model_id: Mapped[int] = reference("model")
