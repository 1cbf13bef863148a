"""Reading topics of dead letters, outside any consumer group."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from api.exceptions import UnavailableError
from api.services.letter_ranges import OffsetRange
from kafkaml.config import KafkaSettings
from kafkaml.kafka import aiokafka_config

MAX_READERS = 4
READ_TIMEOUT = timedelta(seconds=10)
_FETCH_BYTES = 4 * 1024 * 1024
_FETCH_WAIT_MS = 100


class LetterReader:
    """One consumer of one topic."""

    def __init__(self, *, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    async def has_topic(self, name: str) -> bool:
        return name in await self._consumer.topics()

    async def bounds(self) -> dict[int, OffsetRange]:
        """Return what each partition holds; nothing if there is no such topic."""
        # Asking for a topic by name could make it, with the wrong number of partitions.
        if not await self.has_topic(self._topic):
            return {}
        first = self._place(0)
        self._consumer.assign([first])
        self._consumer.pause(first)  # a fetch would hold up the questions
        await self._consumer.end_offsets([first])
        numbers = self._consumer.partitions_for_topic(self._topic) or {0}
        places = [self._place(number) for number in sorted(numbers)]
        start = await self._consumer.beginning_offsets(places)
        end = await self._consumer.end_offsets(places)
        self._consumer.assign(places)
        self._consumer.pause(*places)
        return {each.partition: OffsetRange(start[each], end[each]) for each in places}

    async def read(
        self, ranges: Mapping[int, OffsetRange]
    ) -> dict[int, list[ConsumerRecord]]:
        """Return the records of some ranges, which must be within the bounds."""
        found: dict[int, list[ConsumerRecord]] = {number: [] for number in ranges}
        left = {self._place(number): each for number, each in ranges.items()}
        for place, each in left.items():
            self._consumer.seek(place, each.start)
        self._consumer.resume(*left)
        while left:
            read = await self._consumer.getmany(*left, timeout_ms=_FETCH_WAIT_MS)
            for place, records in read.items():
                end = left[place].end
                found[place.partition] += [each for each in records if each.offset < end]
            for place in list(left):
                if await self._consumer.position(place) >= left[place].end:
                    self._consumer.pause(place)
                    del left[place]
        return found

    def _place(self, number: int) -> TopicPartition:
        return TopicPartition(self._topic, number)


class DeadLetterLog:
    """Gives out readers, a few at a time, and none for long."""

    def __init__(self, *, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._readers = asyncio.Semaphore(MAX_READERS)

    @asynccontextmanager
    async def open(self, topic: str) -> AsyncIterator[LetterReader]:
        """Connect a reader of a topic; raise UnavailableError if Kafka is away or slow."""
        try:
            async with (
                asyncio.timeout(READ_TIMEOUT.total_seconds()),
                self._readers,
                self._consumer() as consumer,
            ):
                yield LetterReader(consumer=consumer, topic=topic)
        except (KafkaError, OSError) as e:  # also of a timeout
            what = f"The topic {topic} could not be read in time ({type(e).__name__})"
            raise UnavailableError(what) from e

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **aiokafka_config(self._kafka),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            request_timeout_ms=int(READ_TIMEOUT.total_seconds() * 1000),
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()
