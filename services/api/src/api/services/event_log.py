"""Reading the topic of the events, outside any consumer group."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from api.services.event_cursor import EventCursor
from kafkaml.config import KafkaSettings
from kafkaml.events import SOURCE
from kafkaml.kafka import aiokafka_config

REQUEST_TIMEOUT = timedelta(seconds=10)
MAX_READ = 500

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event, where it stands in the log, and its JSON (CloudEvents, structured mode)."""

    partition: int
    offset: int
    type: str
    subject: str
    text: str

    @classmethod
    def from_record(cls, record: ConsumerRecord) -> Self:
        """Read a record of the events topic; raise ValueError if it is not an event.

        An event of a type that this version does not know is passed on as it is.
        """
        headers = {name: (content or b"").decode() for name, content in record.headers}
        try:
            event = {
                "specversion": headers["ce_specversion"],
                "id": headers["ce_id"],
                "source": headers.get("ce_source", SOURCE),
                "type": headers["ce_type"],
                "subject": headers["ce_subject"],
                "time": headers["ce_time"],
                "datacontenttype": headers.get("content-type", "application/json"),
                "data": orjson.loads(record.value or b""),
            }
        except KeyError as e:
            raise ValueError(f"the record has no header {e}") from e
        if not (event["type"] + event["subject"]).isprintable():
            raise ValueError("its type or subject holds control characters")
        return cls(
            partition=record.partition,
            offset=record.offset,
            type=event["type"],
            subject=event["subject"],
            text=orjson.dumps(event).decode(),
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first offset that a partition still holds, and the one after its last."""

    begin: int
    end: int

    def clamp(self, offset: int) -> int:
        """Return an offset, or the first there is if the partition does not hold it."""
        return offset if self.begin <= offset <= self.end else self.begin


class EventReader:
    """One consumer of the events topic; aiokafka reconnects it by itself."""

    def __init__(self, *, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    async def since(self, time: datetime) -> dict[int, int]:
        """Return where each partition was at a time; nothing if there is no such topic."""
        bounds = await self._bounds()
        milliseconds = int(time.timestamp() * 1000)
        asked = {TopicPartition(self._topic, number): milliseconds for number in bounds}
        found = await self._consumer.offsets_for_times(asked) if asked else {}
        positions = {number: each.end for number, each in bounds.items()}
        return positions | {
            partition.partition: each.offset for partition, each in found.items() if each
        }

    async def resume(self, cursor: EventCursor) -> EventCursor:
        """Go to a position; return where that is now.

        A partition that does not hold its offset (any more) is read from its beginning.
        """
        positions = {
            number: each.clamp(cursor.positions.get(number, each.begin))
            for number, each in (await self._bounds()).items()
        }
        self._consumer.assign([TopicPartition(self._topic, each) for each in positions])
        for number, offset in positions.items():
            self._consumer.seek(TopicPartition(self._topic, number), offset)
        return EventCursor(positions)

    async def until(self, target: Mapping[int, int]) -> AsyncGenerator[LoggedEvent]:
        """Yield events up to these offsets, and maybe some more.

        Raises KafkaTimeoutError if nothing comes although something should.
        """
        while True:
            before = await self._positions()
            if all(before.get(each, offset) >= offset for each, offset in target.items()):
                return
            for event in await self.read(REQUEST_TIMEOUT):
                yield event
            if await self._positions() == before:
                raise KafkaTimeoutError

    async def read(self, within: timedelta) -> list[LoggedEvent]:
        """Return the next events; none if none came in time."""
        milliseconds = int(within.total_seconds() * 1000)
        found = await self._consumer.getmany(timeout_ms=milliseconds, max_records=MAX_READ)
        events = []
        for record in (each for records in found.values() for each in records):
            try:
                events.append(LoggedEvent.from_record(record))
            except ValueError as e:
                logger.warning("no event", offset=record.offset, error=str(e))
        return events

    async def _bounds(self) -> dict[int, Bounds]:
        # Asking for a topic by name could make it, with the wrong number of partitions.
        if self._topic not in await self._consumer.topics():
            return {}
        first = TopicPartition(self._topic, 0)
        self._consumer.assign([first])
        self._consumer.pause(first)  # a fetch would hold up the questions for 500 ms
        await self._consumer.end_offsets([first])
        numbers = self._consumer.partitions_for_topic(self._topic) or {0}
        partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        begin = await self._consumer.beginning_offsets(partitions)
        end = await self._consumer.end_offsets(partitions)
        return {each.partition: Bounds(begin[each], end[each]) for each in partitions}

    async def _positions(self) -> dict[int, int]:
        return {
            each.partition: await self._consumer.position(each)
            for each in self._consumer.assignment()
        }


class EventLog:
    """The log of events in Kafka."""

    def __init__(self, *, settings: KafkaSettings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def open(self) -> AsyncIterator[EventReader]:
        """Connect a reader; raise KafkaError if Kafka is away."""
        consumer = AIOKafkaConsumer(
            **aiokafka_config(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=int(REQUEST_TIMEOUT.total_seconds() * 1000),
        )
        try:
            await consumer.start()
            yield EventReader(consumer=consumer, topic=self._settings.events_topic)
        finally:
            await consumer.stop()
