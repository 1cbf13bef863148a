"""Who this database is."""

from uuid import UUID

from sqlalchemy import CheckConstraint, func, true
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import CreatedAt, Table


class PlatformRow(Table):
    """The identity of this database: one row, made with the table and never changed.

    Executors mark with it what they run, so that platforms that share a cluster or an
    engine leave alone what is not theirs. `is_only` keeps a second row out.
    """

    __tablename__ = "platform"
    __table_args__ = (CheckConstraint("is_only", name="is_only"),)

    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    is_only: Mapped[bool] = mapped_column(unique=True, server_default=true())
    created_at: Mapped[CreatedAt]
