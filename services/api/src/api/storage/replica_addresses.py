"""Where replicas are asked, in the database."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.tables.inference_row import InferenceRow
from api.tables.replica_address_row import ReplicaAddressRow
from kafkaml.schemas.predictions import AddressReport

# A replica tells every 15 s where it is.
SILENCE = timedelta(seconds=45)


class ReplicaAddressStore:
    """Reads and writes addresses; times are those of the database."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def note(self, inference: InferenceRow, report: AddressReport) -> None:
        """Note that a replica is there now; forget those that have been silent."""
        await self._session.execute(
            delete(ReplicaAddressRow).where(
                ReplicaAddressRow.inference_id == inference.id,
                ReplicaAddressRow.seen_at < func.clock_timestamp() - SILENCE,
            )
        )
        seen = {
            "attempt": inference.attempt,
            "key": report.key,
            "seen_at": func.clock_timestamp(),
        }
        statement = insert(ReplicaAddressRow).values(
            inference_id=inference.id, address=report.address, **seen
        )
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["inference_id", "address"], set_=seen
            )
        )

    async def of(self, inference: InferenceRow) -> Sequence[ReplicaAddressRow]:
        """Return the replicas of an inference that told not long ago where they are."""
        statement = select(ReplicaAddressRow).where(
            ReplicaAddressRow.inference_id == inference.id,
            ReplicaAddressRow.attempt == inference.attempt,
            ReplicaAddressRow.seen_at >= func.clock_timestamp() - SILENCE,
        )
        return (await self._session.scalars(statement)).all()

    async def forget(self, inference: InferenceRow) -> None:
        """Forget every replica of an inference that is over."""
        await self._session.execute(
            delete(ReplicaAddressRow).where(ReplicaAddressRow.inference_id == inference.id)
        )
