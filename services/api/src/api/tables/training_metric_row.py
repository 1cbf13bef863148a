"""The curves of trainings."""

from sqlalchemy import BigInteger, Double, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import Table


class TrainingMetricRow(Table):
    """One metric after one epoch of one attempt; null where the number was not finite."""

    __tablename__ = "training_metric"

    training_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("training.id", ondelete="CASCADE"), primary_key=True
    )
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float | None] = mapped_column(Double)
