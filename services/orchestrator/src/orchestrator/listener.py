"""Wakes the loop when an event says that something else may be wanted now."""

import asyncio
from datetime import timedelta

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from kafkaml import events
from kafkaml.backoff import Backoff, is_set_within
from kafkaml.config import KafkaSettings
from kafkaml.kafka import aiokafka_config

# Frequent facts that change nothing about what is wanted. An unknown type wakes.
_QUIET = {
    each.type.encode()
    for each in (
        events.TrainingProgressed,
        events.TrainingWaiting,
        events.TrainingStarted,
        events.DatasourceRecorded,
        events.DatasourceRejected,
        events.InferenceServing,
    )
}
_POLL = timedelta(seconds=1)

logger = structlog.stdlib.get_logger(__name__)


class EventListener:
    """Reads the events topic from its end, without a group and without a memory.

    A lost event, or Kafka being away, costs latency only: the loop turns anyway.
    """

    def __init__(self, *, settings: KafkaSettings, wake: asyncio.Event) -> None:
        self._settings = settings
        self._wake = wake
        self._backoff = Backoff()
        self.is_listening = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`; whatever Kafka does, try again."""
        while not stop.is_set():
            try:
                await self._listen(stop)
            except (KafkaError, OSError) as e:
                delay = self._backoff.next_delay()
                logger.warning("no events", error=str(e), retry_seconds=round(delay, 1))
                await is_set_within(stop, delay)
            finally:
                self.is_listening.clear()

    async def _listen(self, stop: asyncio.Event) -> None:
        consumer = AIOKafkaConsumer(
            **aiokafka_config(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )
        try:
            await consumer.start()
            if await self._assign_end(consumer, stop):
                self.is_listening.set()
                self._backoff.reset()
                # Something may have happened while nobody listened.
                self._wake.set()
            while not stop.is_set():
                batches = await consumer.getmany(
                    timeout_ms=_POLL // timedelta(milliseconds=1)
                )
                if any(
                    _is_waking(record) for batch in batches.values() for record in batch
                ):
                    self._wake.set()
        finally:
            await consumer.stop()

    async def _assign_end(self, consumer: AIOKafkaConsumer, stop: asyncio.Event) -> bool:
        """Assign all partitions at their ends; False if stopped before there were any."""
        topic = self._settings.events_topic
        while not stop.is_set():
            await consumer.topics()
            if numbers := consumer.partitions_for_topic(topic):
                partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
                consumer.assign(partitions)
                await consumer.seek_to_end(*partitions)
                logger.info("listening for events", topic=topic, partitions=len(partitions))
                return True
            await is_set_within(stop, _POLL.total_seconds())
        return False


def _is_waking(record: ConsumerRecord) -> bool:
    return dict(record.headers).get("ce_type") not in _QUIET
