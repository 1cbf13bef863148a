"""The curves of trainings in the database."""

from collections.abc import Mapping
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.tables.training_metric_row import TrainingMetricRow
from kafkaml.schemas.trainings import EpochMetrics


class MetricStore:
    """Reads and writes metrics."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self,
        training_id: int,
        *,
        attempt: int,
        epoch: int,
        values: Mapping[str, float | None],
    ) -> bool:
        """Add what an epoch measured; return False if it is known already."""
        rows = [
            {
                "training_id": training_id,
                "attempt": attempt,
                "epoch": epoch,
                "name": name,
                "value": value,
            }
            for name, value in values.items()
        ]
        if not rows:
            return False
        statement = (
            insert(TrainingMetricRow)
            .values(rows)
            .on_conflict_do_nothing()
            .returning(TrainingMetricRow.name)
        )
        return bool((await self._session.scalars(statement)).all())

    async def of_attempt(self, training_id: int, attempt: int) -> list[EpochMetrics]:
        """Return the curves of an attempt, by epoch."""
        statement = (
            select(TrainingMetricRow.epoch, TrainingMetricRow.name, TrainingMetricRow.value)
            .where(
                TrainingMetricRow.training_id == training_id,
                TrainingMetricRow.attempt == attempt,
            )
            .order_by(TrainingMetricRow.epoch, TrainingMetricRow.name)
        )
        rows = await self._session.execute(statement)
        return [
            EpochMetrics(epoch=epoch, values={name: value for _, name, value in group})
            for epoch, group in groupby(rows, key=lambda row: row[0])
        ]
