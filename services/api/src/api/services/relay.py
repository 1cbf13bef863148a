"""One pass of the relay: from the outbox to Kafka."""

import structlog

from api.exceptions import RecordsRejectedError, TopicUnusableError
from api.services.publisher import Batch, Publisher
from api.services.relay_metrics import RelayMetrics
from api.storage.outbox import Outbox, PendingRecord

BATCH_RECORDS = 500
BATCH_BYTES = 512 * 1024  # with keys and headers below the 1 MiB that brokers take

logger = structlog.get_logger(__name__)


class Relay:
    """Moves records from an outbox that it has locked to Kafka."""

    def __init__(
        self, *, outbox: Outbox, publisher: Publisher, metrics: RelayMetrics
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._metrics = metrics

    async def relay_batch(self) -> int:
        """Publish the oldest records and delete them; return how many there were."""
        records = await self._outbox.oldest(limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)
        self._metrics.saw_oldest(
            records[0].created_at if records else None, letters=self._outbox.holds_letters
        )
        if records:
            try:
                for batch in await self._publisher.split(records):
                    await self._relay(batch)
            except TopicUnusableError as e:
                for each in records:
                    if each.topic == e.topic:
                        await self._park(each, reason=str(e))
        return len(records)

    async def _relay(self, batch: Batch) -> None:
        try:
            await self._publisher.publish(batch)
        except RecordsRejectedError as e:
            await self._isolate(batch, reason=str(e))
        else:
            await self._outbox.delete(batch.ids)
            self._metrics.published(len(batch.records))

    async def _isolate(self, batch: Batch, *, reason: str) -> None:
        """Park the record that Kafka will never take; publish the others."""
        if len(batch.records) > 1:
            for half in batch.halves():
                await self._relay(half)
            return
        await self._park(batch.records[0], reason=reason)

    async def _park(self, record: PendingRecord, *, reason: str) -> None:
        await self._outbox.park(record.id, reason=reason)
        self._metrics.parked()
        logger.error(
            "record parked", id=record.id, topic=record.topic, key=record.key, reason=reason
        )
