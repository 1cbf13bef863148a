"""Publishing events as the relay does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer

from kafkaml.config import KafkaSettings
from kafkaml.events import CloudEvent, DomainEvent, TrainingProgressed, TrainingStopped


def progressed(training_id: int, epoch: int) -> TrainingProgressed:
    return TrainingProgressed(
        id=training_id,
        deployment_id=1,
        attempt=1,
        epoch=epoch,
        epochs=9,
        values={"loss": 0.5},
    )


def stopped(training_id: int) -> TrainingStopped:
    return TrainingStopped(id=training_id, deployment_id=1, attempt=1)


class EventPublisher:
    """Sends events to the events topic, one after the other."""

    def __init__(self, *, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def publish(self, *events: DomainEvent) -> None:
        """Return when the broker has them."""
        sent = []
        for each in events:
            event = CloudEvent.of(each)
            sent.append(
                await self._producer.send(
                    self._topic,
                    event.to_value(),
                    key=event.to_key(),
                    headers=event.to_headers(),
                )
            )
        for each in sent:
            await each

    async def publish_garbage(self) -> None:
        """Send records that are no events."""
        for headers in ([], [("ce_type", None)], [("ce_type", b"\xff")]):
            await self._producer.send_and_wait(self._topic, b"{", headers=headers)


@asynccontextmanager
async def publishing(settings: KafkaSettings) -> AsyncIterator[EventPublisher]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, acks="all")
    await producer.start()
    try:
        yield EventPublisher(producer=producer, topic=settings.events_topic)
    finally:
        await producer.stop()
