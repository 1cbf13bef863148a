"""Live events for the clients of the API: one Kafka consumer, many subscribers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import structlog
from aiokafka.errors import KafkaError, KafkaTimeoutError

from api.exceptions import UnavailableError
from api.services.event_cursor import EventCursor
from api.services.event_log import EventLog, EventReader, LoggedEvent
from api.services.event_subscription import Delivery, EventFilter, Subscription
from api.tables.base import utc_now
from kafkaml.backoff import Backoff, is_set_within
from kafkaml.config import KafkaSettings

MAX_STREAMS = 500
MAX_REPLAYS = 20
LIFETIME = timedelta(hours=1)
READ_TIMEOUT = timedelta(milliseconds=500)
TOPIC_POLL_SECONDS = 0.5
LONGEST_DELAY = timedelta(seconds=2)

logger = structlog.get_logger(__name__)


class EventStream:
    """Follows the events topic and fans it out to the subscribers of this process.

    It works without Kafka: subscribers get nothing until Kafka is back.
    """

    def __init__(self, *, kafka: KafkaSettings) -> None:
        self._log = EventLog(settings=kafka)
        self._subscriptions: set[Subscription] = set()
        self._streams = asyncio.Semaphore(MAX_STREAMS)
        self._replays = asyncio.Semaphore(MAX_REPLAYS)
        self._position = EventCursor({})
        self._started_at = utc_now()
        self._located = asyncio.Event()
        self._stopping = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow what happens from now on, even if Kafka is there only later."""
        self._started_at = utc_now()
        self._follower = asyncio.create_task(self._follow(), name="events")

    async def stop(self) -> None:
        """End all streams and leave Kafka."""
        self.end_streams()
        if self._follower is not None:
            await self._follower

    def end_streams(self) -> None:
        """End the open streams and open no others: the server is to shut down."""
        self._stopping.set()
        self._located.set()
        for each in self._subscriptions:
            each.end()

    @asynccontextmanager
    async def open(
        self, event_filter: EventFilter, *, after: EventCursor | None = None
    ) -> AsyncIterator[AsyncIterator[Delivery]]:
        """Subscribe to what comes after a position, or from now on.

        The stream ends for a subscriber that is too slow, after `LIFETIME` (so that tokens
        are checked again), and when Kafka fails while the past is read: go on from the last
        cursor. Raises UnavailableError if too many streams are open.
        """
        if self._stopping.is_set() or self._streams.locked():
            raise UnavailableError("No more streams of events can be opened")
        async with self._streams, aclosing(self._deliver(event_filter, after)) as stream:
            yield stream

    async def _deliver(
        self, event_filter: EventFilter, after: EventCursor | None
    ) -> AsyncGenerator[Delivery]:
        subscription = Subscription(event_filter)
        ending = asyncio.get_running_loop().call_later(
            LIFETIME.total_seconds(), subscription.end
        )
        try:
            await self._located.wait()
            async with aclosing(self._begin(subscription, after)) as beginning:
                async for delivery in beginning:
                    yield delivery
            cursor = delivery.cursor
            while (event := await subscription.next()) is not None:
                if not cursor.covers(event.partition, event.offset):
                    cursor = cursor.past(event.partition, event.offset)
                    yield Delivery(cursor, event)
        except (KafkaError, OSError) as e:
            logger.warning("replay of events interrupted", error=repr(e))
        finally:
            ending.cancel()
            self._subscriptions.discard(subscription)

    async def _begin(
        self, subscription: Subscription, after: EventCursor | None
    ) -> AsyncGenerator[Delivery]:
        """Yield what was missed, then the position from which the subscription goes on."""
        if after is None:
            yield Delivery(self._join(subscription))
            return
        if self._replays.locked():
            raise KafkaTimeoutError
        async with self._replays, self._log.open() as reader:
            cursor = await reader.resume(after)
            async with aclosing(self._missed(reader, subscription)) as missed:
                async for event in missed:
                    cursor = cursor.past(event.partition, event.offset)
                    if subscription.wants(event):
                        yield Delivery(cursor, event)
        yield Delivery(cursor)

    async def _missed(
        self, reader: EventReader, subscription: Subscription
    ) -> AsyncGenerator[LoggedEvent]:
        """Yield the log up to where the subscription joins.

        It joins when little is left, so that little waits for it meanwhile.
        """
        async for event in reader.until(self._position.positions):
            yield event
        async for event in reader.until(self._join(subscription).positions):
            yield event

    def _join(self, subscription: Subscription) -> EventCursor:
        """Let a subscription take part from now on; return where now is."""
        self._subscriptions.add(subscription)
        if self._stopping.is_set():
            subscription.end()
        return self._position

    async def _follow(self) -> None:
        backoff = Backoff(longest=LONGEST_DELAY)
        while not self._stopping.is_set():
            try:
                async with self._log.open() as reader:
                    await self._locate(reader)
                    backoff.reset()
                    await self._fan_out(reader)
            except (KafkaError, OSError) as e:
                delay = backoff.next_delay()
                logger.warning("events interrupted", error=repr(e), retry_seconds=delay)
                await is_set_within(self._stopping, delay)

    async def _locate(self, reader: EventReader) -> None:
        """Go to where the reader before was; the first to when the stream was started."""
        while not (first := await reader.since(self._started_at)):
            if await is_set_within(self._stopping, TOPIC_POLL_SECONDS):
                return
        known = {**first, **self._position.positions}
        self._position = await reader.resume(EventCursor(known))
        self._located.set()

    async def _fan_out(self, reader: EventReader) -> None:
        while not self._stopping.is_set():
            for event in await reader.read(READ_TIMEOUT):
                self._position = self._position.past(event.partition, event.offset)
                for each in self._subscriptions:
                    each.offer(event)
