"""Predictions that are asked for over HTTP: handed on to a replica that answers."""

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import cycle, islice

import structlog

from api.exceptions import InferenceOverError, NoReplicaError, ReplicaFailedError
from api.services.replica_caller import ReplicaCaller
from api.storage.unit_of_work import UnitsOfWork
from api.tables.replica_address_row import ReplicaAddressRow
from kafkaml.schemas.predictions import PredictionRequest

LONGEST = timedelta(seconds=45)
MOST_TRIES = 3
# For how long one that failed is asked only if the others fail, too.
AVOIDED = timedelta(seconds=15)
_MOST_REMEMBERED = 1000

logger = structlog.get_logger(__name__)


class PredictionService:
    """Asks a replica at random, and others if it does not answer.

    A prediction changes nothing, so it may be asked for twice. No transaction is open
    while a replica is asked.
    """

    def __init__(self, *, units: UnitsOfWork, caller: ReplicaCaller) -> None:
        self._units = units
        self._caller = caller
        self._failed_at: dict[str, float] = {}

    async def predict(self, inference_id: int, request: PredictionRequest) -> bytes:
        """Return a Prediction in JSON.

        Raise InferenceOverError, NoReplicaError if none answers in time, and
        ValidationFailedError.
        """
        replicas = await self._replicas(inference_id)
        body = request.model_dump_json(exclude_none=True).encode()
        try:
            async with asyncio.timeout(LONGEST.total_seconds()):
                return await self._ask_any(inference_id, self._in_order(replicas), body)
        except TimeoutError as e:
            raise NoReplicaError(inference_id) from e

    async def aclose(self) -> None:
        """Close the connections to replicas."""
        await self._caller.aclose()

    async def _replicas(self, inference_id: int) -> Sequence[ReplicaAddressRow]:
        async with self._units.begin() as work:
            inference = await work.inferences.get(inference_id)
            if inference.state.is_final:
                raise InferenceOverError(inference_id, state=inference.state)
            return await work.replica_addresses.of(inference)

    async def _ask_any(
        self, inference_id: int, replicas: Sequence[ReplicaAddressRow], body: bytes
    ) -> bytes:
        for replica in islice(cycle(replicas), MOST_TRIES):
            try:
                return await self._caller.ask(replica.address, key=replica.key, body=body)
            except ReplicaFailedError as e:
                logger.warning("replica_failed", inference_id=inference_id, error=str(e))
                self._avoid(replica.address)
        raise NoReplicaError(inference_id)

    def _in_order(
        self, replicas: Sequence[ReplicaAddressRow]
    ) -> Sequence[ReplicaAddressRow]:
        """Return them shuffled, those last that failed not long ago."""
        since = time.monotonic() - AVOIDED.total_seconds()
        shuffled = random.sample(replicas, len(replicas))
        return sorted(
            shuffled, key=lambda each: self._failed_at.get(each.address, since) > since
        )

    def _avoid(self, address: str) -> None:
        if len(self._failed_at) >= _MOST_REMEMBERED:
            self._failed_at.clear()
        self._failed_at[address] = time.monotonic()
