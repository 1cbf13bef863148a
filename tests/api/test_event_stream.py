"""Live events, on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from api.exceptions import BadCursorError, UnavailableError
from api.services.event_cursor import EventCursor
from api.services.event_stream import EventStream
from api.services.event_subscription import MAX_WAITING, Delivery, EventFilter
from api.services.topics import ensure_topics
from kafkaml.config import KafkaSettings
from kafkaml_local.kafka import Kafka
from kafkaml_local.ports import free_port
from tests.api.event_publishing import EventPublisher, progressed, publishing, stopped

TIMEOUT = 30.0
ALL = EventFilter()


@pytest.fixture
async def settings(kafka_bootstrap: str, topic_name: Callable[[str], str]) -> KafkaSettings:
    settings = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, events_topic=topic_name("events")
    )
    await ensure_topics(settings, [settings.events_topic])
    return settings


@pytest.fixture
async def publisher(settings: KafkaSettings) -> AsyncIterator[EventPublisher]:
    async with publishing(settings) as publisher:
        yield publisher


@asynccontextmanager
async def running(settings: KafkaSettings) -> AsyncIterator[EventStream]:
    stream = EventStream(kafka=settings)
    await stream.start()
    try:
        yield stream
    finally:
        await asyncio.wait_for(stream.stop(), TIMEOUT)


@pytest.fixture
async def stream(settings: KafkaSettings) -> AsyncIterator[EventStream]:
    async with running(settings) as stream:
        yield stream


async def take(deliveries: AsyncIterator[Delivery], count: int) -> list[Delivery]:
    """Return so many deliveries that hold an event."""
    taken: list[Delivery] = []
    async with asyncio.timeout(TIMEOUT):
        while len(taken) < count:
            delivery = await anext(deliveries)
            if delivery.event is not None:
                taken.append(delivery)
    return taken


async def next_cursor(deliveries: AsyncIterator[Delivery]) -> EventCursor:
    """Return the position that a stream without a past tells first."""
    async with asyncio.timeout(TIMEOUT):
        delivery = await anext(deliveries)
    assert delivery.event is None
    return delivery.cursor


def data_of(delivery: Delivery) -> dict[str, object]:
    assert delivery.event is not None
    data = orjson.loads(delivery.event.text)["data"]
    assert isinstance(data, dict)
    return data


def epochs_of(deliveries: list[Delivery]) -> list[object]:
    return [data_of(each)["epoch"] for each in deliveries]


async def test_subscribers_get_what_happens_from_now_on(
    stream: EventStream, publisher: EventPublisher
) -> None:
    async with stream.open(ALL) as earlier:
        await publisher.publish(progressed(1, 0))
        await take(earlier, 1)
    async with stream.open(ALL) as one, stream.open(ALL) as two:
        await next_cursor(one)
        await next_cursor(two)
        await publisher.publish(progressed(1, 1), progressed(2, 2))

        for deliveries in (one, two):
            taken = await take(deliveries, 2)
            assert epochs_of(taken) == [1, 2]


async def test_an_event_is_a_structured_cloud_event(
    stream: EventStream, publisher: EventPublisher
) -> None:
    async with stream.open(ALL) as deliveries:
        await next_cursor(deliveries)
        await publisher.publish_garbage()
        await publisher.publish(stopped(7))
        (delivery,) = await take(deliveries, 1)

    assert delivery.event is not None
    event = orjson.loads(delivery.event.text)
    assert event.keys() == {
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "data",
    }
    assert (event["specversion"], event["type"]) == ("1.0", "training.stopped")
    assert event["subject"] == "trainings/7"
    assert event["data"] == {"id": 7, "deployment_id": 1, "attempt": 1}


async def test_filters_by_subject_and_type(
    stream: EventStream, publisher: EventPublisher
) -> None:
    about_one = EventFilter(subjects=frozenset({"trainings/1"}))
    stops = EventFilter(types=frozenset({"training.stopped"}))
    async with stream.open(about_one) as ones, stream.open(stops) as ends:
        await next_cursor(ones)
        await next_cursor(ends)
        await publisher.publish(
            progressed(1, 1), progressed(2, 1), stopped(2), progressed(1, 2), stopped(1)
        )

        subjects = [each.event and each.event.subject for each in await take(ones, 3)]
        assert subjects == ["trainings/1"] * 3
        assert [data_of(each)["id"] for each in await take(ends, 2)] == [2, 1]


async def test_resuming_misses_and_repeats_nothing(
    settings: KafkaSettings, stream: EventStream, publisher: EventPublisher
) -> None:
    """A reader that breaks off all the time, and changes the process, sees all once."""
    total = 3000

    async def publish() -> None:
        for start in range(0, total, 10):
            await publisher.publish(*(progressed(1, start + n) for n in range(10)))
            await asyncio.sleep(0.005)

    seen: list[object] = []
    async with running(settings) as other_stream, stream.open(ALL) as deliveries:
        cursor = await next_cursor(deliveries)
        publishing_task = asyncio.create_task(publish())
        streams = [stream, other_stream]
        while len(seen) < total:
            streams.reverse()
            after = EventCursor.from_text(str(cursor))
            async with streams[0].open(ALL, after=after) as resumed:
                taken = await take(resumed, min(137, total - len(seen)))
            seen += epochs_of(taken)
            cursor = taken[-1].cursor
        await publishing_task

    assert seen == list(range(total))


async def test_a_filtered_stream_resumes_too(
    stream: EventStream, publisher: EventPublisher
) -> None:
    wanted = EventFilter(subjects=frozenset({"trainings/1"}))
    async with stream.open(wanted) as deliveries:
        cursor = await next_cursor(deliveries)
    await publisher.publish(progressed(2, 1), progressed(1, 2), progressed(2, 3))

    async with stream.open(wanted, after=cursor) as deliveries:
        (missed,) = await take(deliveries, 1)
        await publisher.publish(progressed(2, 4), progressed(1, 5))
        (live,) = await take(deliveries, 1)

    assert epochs_of([missed, live]) == [2, 5]


async def test_a_slow_subscriber_is_ended_and_resumes(
    stream: EventStream, publisher: EventPublisher
) -> None:
    total = MAX_WAITING + 500
    async with stream.open(ALL) as slow, stream.open(ALL) as quick:
        await next_cursor(slow)
        await next_cursor(quick)
        for start in range(0, total, 100):
            await publisher.publish(*(progressed(1, start + n) for n in range(100)))
            await take(quick, 100)

        kept = [delivery async for delivery in slow]

    assert epochs_of(kept) == list(range(MAX_WAITING))
    async with stream.open(ALL, after=kept[-1].cursor) as resumed:
        rest = await take(resumed, total - MAX_WAITING)
    assert epochs_of(rest) == list(range(MAX_WAITING, total))


async def test_an_expired_position_goes_on_at_the_earliest(
    settings: KafkaSettings, stream: EventStream, publisher: EventPublisher
) -> None:
    await publisher.publish(*(progressed(1, n) for n in range(10)))
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    gone = {TopicPartition(settings.events_topic, 0): RecordsToDelete(6)}
    await admin.delete_records(gone)
    await admin.close()

    for text in ("0-2", "0-6", "0-999999"):
        after = EventCursor.from_text(text)
        async with stream.open(ALL, after=after) as deliveries:
            assert epochs_of(await take(deliveries, 4)) == [6, 7, 8, 9]


async def test_stopping_ends_open_streams(settings: KafkaSettings) -> None:
    async with running(settings) as stream, stream.open(ALL) as deliveries:
        await next_cursor(deliveries)
        rest = asyncio.create_task(_drain(deliveries))
        await asyncio.sleep(0)

        stream.end_streams()

        assert await asyncio.wait_for(rest, 1) == []
        with pytest.raises(UnavailableError):
            async with stream.open(ALL):
                raise AssertionError("opened")


async def _drain(deliveries: AsyncIterator[Delivery]) -> list[Delivery]:
    return [each async for each in deliveries]


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Kafka]:
    """A broker that the test may stop; not started."""
    port = free_port()
    broker = Kafka(directory=tmp_path, port=port, controller_port=free_port(taken=[port]))
    yield broker
    broker.stop()


async def test_kafka_may_come_late_and_go_away(own_broker: Kafka) -> None:
    settings = KafkaSettings(bootstrap_servers=own_broker.address)
    wait_ready = timedelta(seconds=60)
    async with running(settings) as stream, stream.open(ALL) as deliveries:
        first = asyncio.create_task(next_cursor(deliveries))
        await asyncio.sleep(0.5)
        assert not first.done()

        await asyncio.to_thread(own_broker.start)
        await asyncio.to_thread(own_broker.wait_ready, wait_ready)
        await ensure_topics(settings, [settings.events_topic])
        async with publishing(settings) as publisher:
            await publisher.publish(progressed(1, 1))
        await first
        (delivery,) = await take(deliveries, 1)
        assert epochs_of([delivery]) == [1]

        await asyncio.to_thread(own_broker.stop)
        await asyncio.to_thread(own_broker.start)
        await asyncio.to_thread(own_broker.wait_ready, wait_ready)
        async with publishing(settings) as publisher:
            await publisher.publish(progressed(1, 2))
        assert epochs_of(await take(deliveries, 1)) == [2]


async def test_nothing_of_a_new_topic_is_missed(
    kafka_bootstrap: str, topic_name: Callable[[str], str]
) -> None:
    settings = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, events_topic=topic_name("events")
    )
    async with running(settings) as stream, stream.open(ALL) as deliveries:
        first = asyncio.create_task(next_cursor(deliveries))
        await asyncio.sleep(1)
        await ensure_topics(settings, [settings.events_topic])
        async with publishing(settings) as publisher:
            await publisher.publish(progressed(1, 1), progressed(1, 2))
        assert str(await first) == "0-0"
        assert epochs_of(await take(deliveries, 2)) == [1, 2]


@pytest.mark.parametrize(
    "text",
    ["", "x", "0", "0-", "-1-2", "0-1.", "0-1,1-2", "0-1.0-2", "0-" + "9" * 30, "0-\u0661"],
)
def test_malformed_cursors_are_refused(text: str) -> None:
    with pytest.raises(BadCursorError):
        EventCursor.from_text(text)


@pytest.mark.parametrize("text", ["0-0", "0-15", "0-1.2-9223372036854775807"])
def test_cursors_are_kept_as_text(text: str) -> None:
    assert str(EventCursor.from_text(text)) == text
