"""Wakes the loop when an event says that something else may be wanted now."""

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from kafkaml import events
from kafkaml.backoff import Backoff, is_set_within
from kafkaml.config import KafkaSettings
from kafkaml.kafka import aiokafka_config

# Frequent facts that change nothing about what is wanted. An unknown type wakes.
_QUIET = {
    each.type.encode()
    for each in (
        events.TrainingProgressed,
        events.TrainingStepped,
        events.TrainingWaiting,
        events.TrainingStarted,
        events.DatasourceRecorded,
        events.DatasourceRejected,
        events.InferenceServing,
        events.ModelNoticed,
        events.TrainingNoticed,
        events.TrainingStepped,
        events.InferenceNoticed,
    )
}
_POLL_MILLISECONDS = 500

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
            except Exception as e:  # noqa: BLE001 - the loop turns without it
                delay = self._backoff.next_delay()
                logger.warning(
                    "no events",
                    error=str(e) or type(e).__name__,
                    retry_seconds=round(delay, 1),
                )
                await is_set_within(stop, delay)
            finally:
                self.is_listening.clear()

    async def _listen(self, stop: asyncio.Event) -> None:
        consumer = AIOKafkaConsumer(
            self._settings.events_topic,
            **aiokafka_config(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
        )
        try:
            # Without a group, starting assigns all partitions, or fails if there are none.
            await consumer.start()
            await consumer.seek_to_end()
            self._greet()
            while not stop.is_set():
                batches = await consumer.getmany(timeout_ms=_POLL_MILLISECONDS)
                if any(
                    _is_waking(record) for batch in batches.values() for record in batch
                ):
                    self._wake.set()
        finally:
            await consumer.stop()

    def _greet(self) -> None:
        logger.info("listening for events", topic=self._settings.events_topic)
        self._backoff.reset()
        self.is_listening.set()
        # Something may have happened while nobody listened.
        self._wake.set()


def _is_waking(record: ConsumerRecord) -> bool:
    return dict(record.headers).get("ce_type") not in _QUIET
