"""How replicas tell where they are asked."""

from api.exceptions import AttemptOverError, ConflictError
from api.services.workload_names import AttemptReference
from api.services.workload_rows import is_over, lock_workload
from api.storage.unit_of_work import UnitOfWork
from api.tables.inference_row import InferenceRow
from kafkaml.schemas.predictions import AddressReport


class ReplicaAddressService:
    """Notes where the replicas of one attempt are."""

    def __init__(self, *, work: UnitOfWork, attempt: AttemptReference) -> None:
        self._work = work
        self._attempt = attempt

    async def note(self, report: AddressReport) -> None:
        """Note an address; raise AttemptOverError if nobody is to ask there any more."""
        row = await lock_workload(self._work, self._attempt)
        if row is None or row.attempt != self._attempt.attempt or is_over(row):
            raise AttemptOverError
        if not isinstance(row, InferenceRow):
            raise ConflictError("Only replicas of inferences are asked.")
        await self._work.replica_addresses.note(row, report)
