import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from kafkaml import events
from kafkaml.config import KafkaSettings
from kafkaml.schemas.workloads import WantedTopic
from orchestrator.listener import EventListener
from orchestrator.topics import KafkaTopics

QUEUED = events.TrainingQueued(id=1, deployment_id=1, attempt=1)
PROGRESSED = events.TrainingProgressed(
    id=1, deployment_id=1, attempt=1, epoch=1, epochs=2, values={}
)


@pytest.fixture
def settings(kafka_bootstrap: str, topic_name: Callable[[str], str]) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka_bootstrap, events_topic=topic_name("events")
    )


async def publish(settings: KafkaSettings, *facts: events.DomainEvent) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    await producer.start()
    try:
        for each in map(events.CloudEvent.of, facts):
            await producer.send_and_wait(
                settings.events_topic,
                each.to_value(),
                each.to_key(),
                headers=each.to_headers(),
            )
    finally:
        await producer.stop()


@asynccontextmanager
async def listening(settings: KafkaSettings) -> AsyncIterator[asyncio.Event]:
    """Listen; the event that is yielded is the wake-up."""
    wake, stop = asyncio.Event(), asyncio.Event()
    listener = EventListener(settings=settings, wake=wake)
    task = asyncio.create_task(listener.run(stop))
    try:
        async with asyncio.timeout(20):
            await listener.is_listening.wait()
        assert wake.is_set()
        wake.clear()
        yield wake
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def test_an_event_that_may_change_what_is_wanted_wakes(
    settings: KafkaSettings,
) -> None:
    topics = KafkaTopics(settings=settings)
    await topics.ensure([WantedTopic(name=settings.events_topic, partitions=3)])
    await publish(settings, QUEUED)
    async with listening(settings) as wake:
        await publish(settings, PROGRESSED)
        await asyncio.sleep(0.3)
        assert not wake.is_set()
        await publish(settings, QUEUED)
        await asyncio.wait_for(wake.wait(), 5)


async def test_kafka_being_away_never_ends_it() -> None:
    stop = asyncio.Event()
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    listener = EventListener(settings=settings, wake=asyncio.Event())
    task = asyncio.create_task(listener.run(stop))
    await asyncio.sleep(0.5)
    assert not task.done()
    stop.set()
    await asyncio.wait_for(task, 5)
