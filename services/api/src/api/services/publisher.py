"""Sending outbox records to Kafka: in order, and acknowledged by all replicas."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner

from api.exceptions import RecordsRejectedError, TopicUnusableError
from api.storage.outbox import PendingRecord
from kafkaml.config import KafkaSettings
from kafkaml.kafka import aiokafka_config

REQUEST_TIMEOUT = timedelta(seconds=5)
DELIVERY_TIMEOUT = timedelta(seconds=12)
MAX_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition; Kafka takes all of them or none."""

    topic: str
    partition: int
    records: tuple[PendingRecord, ...]

    @property
    def ids(self) -> list[int]:
        """The ids of its records."""
        return [each.id for each in self.records]

    def halves(self) -> tuple[Self, Self]:
        """Return the first and the second half, for a search of what is wrong with it."""
        middle = len(self.records) // 2
        return (
            type(self)(self.topic, self.partition, self.records[:middle]),
            type(self)(self.topic, self.partition, self.records[middle:]),
        )


class Publisher:
    """One producer at a time, made when needed.

    After any failure it is thrown away: its sequence numbers have a gap then, and what it
    may still try to send must not overtake what is sent next.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._partitioner = DefaultPartitioner()

    async def split(self, records: Sequence[PendingRecord]) -> list[Batch]:
        """Return the records by partition, each in the order given; see `publish`.

        Raise TopicUnusableError if letters are for a topic that is not there.
        """
        groups: defaultdict[tuple[str, int], list[PendingRecord]] = defaultdict(list)
        async with asyncio.timeout(DELIVERY_TIMEOUT.total_seconds()):
            producer = await self._started()
            for each in records:
                partitions = await self._partitions_for(producer, each)
                partition = each.partition
                if partition not in partitions:
                    partition = self._partitioner(each.key, partitions, partitions)
                groups[each.topic, partition].append(each)
        return [
            Batch(topic, partition, tuple(group))
            for (topic, partition), group in groups.items()
        ]

    async def publish(self, batch: Batch) -> None:
        """Return when all replicas have the batch.

        Raises RecordsRejectedError if Kafka will never take it as it is. After a KafkaError
        or a TimeoutError it may be there or not: publish it again. TopicUnusableError is
        raised for letters that we may not send.
        """
        try:
            async with asyncio.timeout(DELIVERY_TIMEOUT.total_seconds()):
                await self._send(batch)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as e:
            await self.close()
            raise RecordsRejectedError(
                f"too large: raise max.message.bytes of the topic {batch.topic}"
            ) from e
        except TopicAuthorizationFailedError as e:
            await self.close()
            if not batch.records[0].is_letter:
                raise
            raise TopicUnusableError(batch.topic, "it may not be written") from e
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Drop the producer, with anything that it has not sent."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            # stop() alone would wait without end for what cannot be delivered.
            await producer._sender.close()  # noqa: SLF001
            producer._message_accumulator.fail_all(KafkaTimeoutError())  # noqa: SLF001
        finally:
            await producer.stop()

    @staticmethod
    async def _partitions_for(
        producer: AIOKafkaProducer, record: PendingRecord
    ) -> list[int]:
        try:
            return sorted(await producer.partitions_for(record.topic))
        except (UnknownTopicOrPartitionError, TopicAuthorizationFailedError) as e:
            if not record.is_letter:
                raise  # our own topics come back
            raise TopicUnusableError(record.topic, "it is not there") from e

    async def _send(self, batch: Batch) -> None:
        producer = await self._started()
        builder = producer.create_batch()
        for each in batch.records:
            builder.append(
                timestamp=each.timestamp_ms,
                key=each.key,
                value=each.value,
                headers=each.kafka_headers,
            )
        acknowledged = await producer.send_batch(
            builder, batch.topic, partition=batch.partition
        )
        await acknowledged

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                **aiokafka_config(self._settings),
                enable_idempotence=True,
                acks="all",
                max_batch_size=MAX_BATCH_BYTES,
                max_request_size=MAX_BATCH_BYTES,
                request_timeout_ms=int(REQUEST_TIMEOUT.total_seconds() * 1000),
            )
            try:
                await self._producer.start()
            except BaseException:
                await self.close()
                raise
        return self._producer
