"""Follows the control topic; what the API has is committed, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition

from control_logger.config import ControlLoggerSettings
from control_logger.recording import DatasourceRecorder, Recording
from kafkaml.backoff import Backoff, is_set_within
from kafkaml.heartbeat import Heartbeat
from kafkaml.kafka import aiokafka_config

READ_MS = 500
MAX_READ = 100
TOPIC_POLL_SECONDS = 0.5
CONNECT_TIMEOUT = timedelta(seconds=20)
COMMIT_TIMEOUT = timedelta(seconds=10)
STOP_TIMEOUT = timedelta(seconds=10)

# The API may be away for long. Heartbeats alone say that this process lives.
_NO_POLL_LIMIT_MS = 2**31 - 1

logger = structlog.get_logger(__name__)


class ControlLogger:
    """Copies every control message to the API: each at least once, in order."""

    def __init__(
        self,
        *,
        settings: ControlLoggerSettings,
        recorder: DatasourceRecorder,
        heartbeat: Heartbeat,
        stop: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._recording = Recording(recorder=recorder, heartbeat=heartbeat, stop=stop)
        self._heartbeat = heartbeat
        self._stop = stop

    async def run(self) -> None:
        """Record until stopped; the message at hand is finished and committed."""
        backoff = Backoff()
        while not self._stop.is_set():
            self._heartbeat.beat()
            try:
                async with self._connect() as consumer:
                    backoff.reset()
                    await self._follow(consumer)
            except (KafkaError, OSError) as e:
                delay = backoff.next_delay()
                logger.warning("Kafka interrupted", error=repr(e), retry_seconds=delay)
                await is_set_within(self._stop, delay)

    async def record_batch(self, consumer: AIOKafkaConsumer) -> int:
        """Record and commit the next messages; return how many there were."""
        count = 0
        found = await consumer.getmany(timeout_ms=READ_MS, max_records=MAX_READ)
        for partition, messages in found.items():
            for message in messages:
                if not await self._recording.record(message):
                    return count
                await _commit(consumer, partition, message.offset + 1)
                count += 1
        return count

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        topic = self._settings.control_topic
        # Subscribing to a topic that is absent could make it, with wrong settings.
        while topic not in await _topics(consumer):
            self._heartbeat.beat()
            if await is_set_within(self._stop, TOPIC_POLL_SECONDS):
                return
        consumer.subscribe([topic])
        logger.info("following", topic=topic)
        while not self._stop.is_set():
            self._heartbeat.beat()
            try:
                await self.record_batch(consumer)
            except (CommitFailedError, IllegalStateError) as e:
                # Another member has the partition now, and reads from the last commit.
                logger.info("partition moved", error=str(e))

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **aiokafka_config(self._settings),
            group_id=self._settings.control_logger_group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_interval_ms=_NO_POLL_LIMIT_MS,
            metadata_max_age_ms=30_000,
            request_timeout_ms=20_000,
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
                await consumer.start()
            yield consumer
        finally:
            async with asyncio.timeout(STOP_TIMEOUT.total_seconds()):
                await consumer.stop()


async def _topics(consumer: AIOKafkaConsumer) -> set[str]:
    async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
        return set(await consumer.topics())


async def _commit(
    consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int
) -> None:
    async with asyncio.timeout(COMMIT_TIMEOUT.total_seconds()):
        await consumer.commit({partition: offset})
