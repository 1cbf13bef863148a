"""The statistics of inferences in the database."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.tables.base import utc_now
from api.tables.inference_row import InferenceRow
from api.tables.inference_statistics_row import InferenceStatisticsRow
from kafkaml.schemas.statistics import StatisticsReport

LIVE = timedelta(seconds=30)
KEPT = timedelta(minutes=10)


class InferenceStatisticsStore:
    """Reads and writes what replicas told last; those that are silent are forgotten."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def put(self, inference: InferenceRow, report: StatisticsReport) -> None:
        """Keep a report in place of the one that the same process sent before."""
        now = utc_now()
        values = {
            "attempt": inference.attempt,
            "report": report.model_dump(mode="json"),
            "reported_at": now,
        }
        key = {"inference_id": inference.id, "instance": report.instance}
        statement = insert(InferenceStatisticsRow).values(key | values)
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=[*key], set_=values)
        )
        await self._session.execute(
            delete(InferenceStatisticsRow).where(
                InferenceStatisticsRow.inference_id == inference.id,
                InferenceStatisticsRow.reported_at < now - KEPT,
            )
        )

    async def live(self, inference: InferenceRow) -> Sequence[InferenceStatisticsRow]:
        """Return the reports of the present attempt that came not long ago."""
        statement = (
            select(InferenceStatisticsRow)
            .where(
                InferenceStatisticsRow.inference_id == inference.id,
                InferenceStatisticsRow.attempt == inference.attempt,
                InferenceStatisticsRow.reported_at > utc_now() - LIVE,
            )
            .order_by(InferenceStatisticsRow.instance)
        )
        return (await self._session.scalars(statement)).all()
