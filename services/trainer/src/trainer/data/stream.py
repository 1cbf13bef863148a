"""Reading announced ranges exactly: every record of them, and nothing else.

A range is read when the *position* reaches its end. Compaction and transaction markers
leave gaps, so the number of records does not tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from time import sleep
from types import TracebackType
from typing import Any, NoReturn, Self

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from kafkaml.control import TopicRange
from kafkaml.schemas.states import FailureReason
from trainer.data.consumers import LOGGER, REQUEST_SECONDS, consumer_config
from trainer.deadline import Deadline
from trainer.exceptions import DeadlineError, StreamError

BATCH_RECORDS = 1000
BATCH_BYTES = 2**23
# Of small records more are better: what a batch costs by itself is about that of fifty.
SMALL_BATCH_RECORDS = 4000
SMALL_BATCH_BYTES = 2**20
FIRST_BATCH_RECORDS = 50
SAMPLE_RECORDS = 50
QUEUE_KIBIBYTES = 2**14
QUEUE_PAUSE_MILLISECONDS = 5
POLL_SECONDS = 0.1
PAUSE_SECONDS = 0.25

GONE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  # the public name of librdkafka's own codes
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  # likewise
}
OUT_OF_RANGE = {
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001  # likewise
}
END_OF_LOG = KafkaError._PARTITION_EOF  # noqa: SLF001  # likewise
FORBIDDEN = {KafkaError.TOPIC_AUTHORIZATION_FAILED}


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Some records of one range, by ascending offset.

    `logged_at` is when the broker itself wrote the first; None where producers say when.
    """

    source: TopicRange
    offsets: Sequence[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    logged_at: datetime | None = None


class RangeReader:
    """Reads ranges one after the other; while one is read, the next is fetched.

    Two consumers take turns, for that of a range still asks for more at its end. They hold
    `QUEUE_KIBIBYTES` each, and one batch of about `BATCH_BYTES` is there at a time.
    """

    def __init__(
        self, *, kafka: dict[str, Any], patience_seconds: float, deadline: Deadline
    ) -> None:
        self._config = range_config(kafka)
        self._consumers = [Consumer(self._config, logger=LOGGER)]
        self._patience_seconds = patience_seconds
        self._deadline = deadline
        self._batch_records = FIRST_BATCH_RECORDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for consumer in self._consumers:
            consumer.close()

    def read(self, *ranges: TopicRange) -> Iterator[RecordBatch]:
        """Yield the records of ranges in their order, in batches.

        Raise StreamError if the log does not hold a whole range, DeadlineError if the
        reader's deadline passes. A broker that is away is waited for until then.
        """
        for wanted in ranges:  # all of them now: a consumer that fetches answers late
            self._await_whole(wanted)
        if len(ranges) > len(self._consumers):
            self._consumers.append(Consumer(self._config, logger=LOGGER))
        started = map(_start, ranges, cycle(self._consumers))
        current = next(started, None)
        while current is not None:
            following = next(started, None)
            yield from self._read(*current)
            current = following

    def _read(self, wanted: TopicRange, consumer: Consumer) -> Iterator[RecordBatch]:
        position, patience = wanted.start, Deadline.after(self._patience_seconds)
        log_ended = False
        while position < wanted.end:
            limit = min(self._batch_records, wanted.end - position)
            messages, log_end = self._next_messages(wanted, consumer, limit)
            reached = _position_after(messages, log_end, position)
            if reached > position:
                position, patience = reached, Deadline.after(self._patience_seconds)
                batch = _batch(wanted, messages)
                self._batch_records = _records_at_once(batch) or self._batch_records
                yield batch
            if messages or log_end is not None:
                log_ended = log_end is not None
            if position < wanted.end and patience.passed:
                if log_ended:
                    raise _short(wanted, position)
                self._look_again(wanted, position)
                patience = Deadline.after(self._patience_seconds)
            self._check_deadline(wanted)

    def _next_messages(
        self, wanted: TopicRange, consumer: Consumer, limit: int
    ) -> tuple[list[Message], int | None]:
        """Return records, and where the log ends if nothing follows that.

        Raise StreamError for what waiting cannot help.
        """
        messages: list[Message] = consumer.consume(limit, POLL_SECONDS)
        if not any(map(Message.error, messages)):
            return messages, None
        for message in messages:
            if not _is_record_or_end(message):
                self._raise_if_lasting(message.error(), wanted)
        found = [each for each in messages if _is_record_or_end(each)]
        records = [each for each in found if each.error() is None]
        return records, found[-1].offset() if found and found[-1].error() else None

    def _look_again(self, wanted: TopicRange, position: int) -> None:
        """Raise StreamError if no record comes because the log is not what it was."""
        low, high = self._bounds(wanted, Deadline.after(0))
        if low > position:
            raise _expired(wanted, low)
        if high < wanted.end:
            raise _short(wanted, high)

    def _await_whole(self, wanted: TopicRange) -> None:
        """Return once the log holds the range."""
        patience = Deadline.after(self._patience_seconds)
        while True:
            low, high = self._bounds(wanted, patience)
            if low <= wanted.start and wanted.end <= high:
                return
            if low > wanted.start:
                raise _expired(wanted, low)
            if patience.passed:
                raise _short(wanted, high)
            self._check_deadline(wanted)
            sleep(PAUSE_SECONDS)

    def _bounds(self, wanted: TopicRange, patience: Deadline) -> tuple[int, int]:
        """Return the first offset of the log, and the one after its last."""
        partition = TopicPartition(wanted.topic, wanted.partition)
        while True:
            try:
                return self._consumers[0].get_watermark_offsets(  # type: ignore[no-any-return]
                    partition, timeout=REQUEST_SECONDS
                )
            except KafkaException as e:
                error = e.args[0]
                if error.code() not in GONE or patience.passed:
                    self._raise_if_lasting(error, wanted)
            self._check_deadline(wanted)
            sleep(PAUSE_SECONDS)

    def _raise_if_lasting(self, error: KafkaError, wanted: TopicRange) -> None:
        """Raise StreamError unless waiting may help."""
        if error.code() in GONE:
            raise StreamError(
                FailureReason.DATA_GONE,
                f"the topic {wanted.topic} has no partition {wanted.partition} (any more): "
                "send the records again and announce where they are",
            )
        if error.code() in FORBIDDEN:
            raise StreamError(
                FailureReason.BAD_STREAM,
                f"the platform's Kafka user may not read the topic {wanted.topic}",
            )
        if error.code() in OUT_OF_RANGE:
            self._raise_out_of_range(wanted)

    def _raise_out_of_range(self, wanted: TopicRange) -> NoReturn:
        low, high = self._bounds(wanted, Deadline.after(self._patience_seconds))
        raise _expired(wanted, low) if low > wanted.start else _short(wanted, high)

    def _check_deadline(self, wanted: TopicRange) -> None:
        if self._deadline.passed:
            raise DeadlineError(
                f"the deadline passed while {wanted} was read: is Kafka reachable?"
            )


def range_config(kafka: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a consumer that reads ranges."""
    return consumer_config(kafka, reset="error") | {
        "queued.max.messages.kbytes": QUEUE_KIBIBYTES,
        "fetch.queue.backoff.ms": QUEUE_PAUSE_MILLISECONDS,
    }


def _start(wanted: TopicRange, consumer: Consumer) -> tuple[TopicRange, Consumer]:
    """Let a consumer fetch a range; return both."""
    consumer.assign([TopicPartition(wanted.topic, wanted.partition, wanted.start)])
    return wanted, consumer


def _position_after(messages: list[Message], log_end: int | None, position: int) -> int:
    """Return the next offset to come; the end of the log tells it behind a gap too."""
    after_last = messages[-1].offset() + 1 if messages else 0
    return max(position, after_last, log_end or 0)


def _batch(source: TopicRange, messages: list[Message]) -> RecordBatch:
    if messages and messages[-1].offset() >= source.end:
        messages = [each for each in messages if each.offset() < source.end]
    return RecordBatch(
        source,
        _offsets(messages),
        list(map(Message.key, messages)),
        list(map(Message.value, messages)),
        _logged_at(messages[0]) if messages else None,
    )


def _offsets(messages: list[Message]) -> Sequence[int]:
    """Return the offsets of records; where none is missing the ends tell all of them."""
    if not messages:
        return []
    first, last = messages[0].offset(), messages[-1].offset()
    if last - first + 1 == len(messages):
        return range(first, last + 1)
    return list(map(Message.offset, messages))


def _is_record_or_end(message: Message) -> bool:
    error = message.error()
    return error is None or error.code() == END_OF_LOG


def _logged_at(message: Message) -> datetime | None:
    kind, milliseconds = message.timestamp()
    if kind != TIMESTAMP_LOG_APPEND_TIME:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _records_at_once(batch: RecordBatch) -> int:
    """Return how many records like these are to be asked for at once; 0 if none is there.

    Large ones are asked for in small numbers, so that a batch stays small in bytes; a
    sample tells their size.
    """
    sample = batch.values[:: max(1, len(batch.values) // SAMPLE_RECORDS)]
    if not sample:
        return 0
    size = max(1, sum(map(len, filter(None, sample))) // len(sample))
    few = min(BATCH_RECORDS, BATCH_BYTES // size)
    return max(1, few, min(SMALL_BATCH_RECORDS, SMALL_BATCH_BYTES // size))


def _expired(wanted: TopicRange, low: int) -> StreamError:
    missing = TopicRange(wanted.topic, wanted.partition, wanted.start, min(low, wanted.end))
    return StreamError(
        FailureReason.DATA_EXPIRED,
        f"Kafka has deleted {missing}, {len(missing)} offsets of {wanted}: keep the topic "
        "longer (retention.ms, retention.bytes), send the records again and announce them",
    )


def _short(wanted: TopicRange, end: int) -> StreamError:
    there = max(0, end - wanted.start)
    return StreamError(
        FailureReason.DATA_SHORT,
        f"{there} of {len(wanted)} offsets of {wanted} are there, the log can be read up "
        f"to offset {end}: was the topic made again, or is a transaction open? Send the "
        "records again and announce them",
    )
