"""What replicas of inferences count."""

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import JsonObject, Table, UtcTime
from kafkaml.schemas.statistics import StatisticsReport


class InferenceStatisticsRow(Table):
    """The newest report of one process that serves an inference."""

    __tablename__ = "inference_statistics"

    inference_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("inference.id", ondelete="CASCADE"), primary_key=True
    )
    instance: Mapped[str] = mapped_column(String, primary_key=True)
    attempt: Mapped[int]
    report: Mapped[JsonObject]
    reported_at: Mapped[UtcTime]

    def to_report(self) -> StatisticsReport:
        """Return what the process told."""
        return StatisticsReport.model_validate(self.report)
