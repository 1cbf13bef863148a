"""Reading a topic without an end: what its producers write, as they write it."""

from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from time import monotonic
from types import TracebackType
from typing import Any, Self

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from kafkaml.control import TopicRange
from kafkaml.schemas.states import FailureReason
from trainer.data.consumers import (
    LOGGER,
    REQUEST_SECONDS,
    consumer_config,
    offset_since,
    partitions_of,
    topic_id_of,
)
from trainer.data.stream import END_OF_LOG, FORBIDDEN, GONE, OUT_OF_RANGE, RecordBatch
from trainer.deadline import Deadline
from trainer.exceptions import StreamError

LOOK_AGAIN_SECONDS = 10.0
LOOK_SOON_SECONDS = 0.5
QUEUE_KIBIBYTES = 2**14

logger = structlog.get_logger()


class TopicReader:
    """Reads every partition of a topic, in no group, and those that are added later.

    It begins at `positions`, or with the records that are not older than `since`; with a
    partition that was added later at its first record. A broker that is away is waited
    for; StreamError says that the log does not go on where it was.
    """

    def __init__(
        self,
        *,
        kafka: dict[str, Any],
        topic: str,
        since: datetime,
        patience_seconds: float,
        look_again_seconds: float = LOOK_AGAIN_SECONDS,
    ) -> None:
        config = consumer_config(kafka, reset="error")
        config["queued.max.messages.kbytes"] = QUEUE_KIBIBYTES
        self._consumer = Consumer(config, logger=LOGGER)
        self._admin = AdminClient(kafka, logger=LOGGER)
        self._topic = topic
        self._since_ms = int(since.timestamp() * 1000)
        self._patience_seconds = patience_seconds
        self._look_again_seconds = look_again_seconds
        self._missing: Deadline | None = None
        self._look_at = monotonic()
        self._last_obstacle = ""
        self._topic_id: str | None = None
        self._resumed: Mapping[int, int] | None = None
        self._reached: dict[int, int] = {}
        self.starts: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def topic_id(self) -> str | None:
        """Return what tells the topic from a later one of its name; None: no answer."""
        if monotonic() >= self._look_at:
            self._look()
        return self._topic_id

    def begin(self, positions: Mapping[int, int] | None) -> None:
        """Begin where an attempt before had read to, if it had."""
        self._resumed = positions
        self._look_at = monotonic()

    def read(self, limit: int, seconds: float) -> list[RecordBatch]:
        """Return what has come of each partition; wait so long for the first record."""
        if monotonic() >= self._look_at:
            self._look(begins=True)
        messages = self._consumer.consume(limit, seconds)
        records = [each for each in messages if self._is_record(each)]
        return [
            self._batch(partition, list(group))
            for partition, group in groupby(
                sorted(records, key=Message.partition), Message.partition
            )
        ]

    def is_at_end(self) -> bool:
        """Ask the brokers whether everything was read; False if they do not answer."""
        try:
            return bool(self._reached) and all(
                self._bounds(partition)[1] <= position
                for partition, position in self._reached.items()
            )
        except KafkaException as e:
            self._tell_once(e.args[0].str())
            return False

    def _look(self, *, begins: bool = False) -> None:
        """See whether the topic is the same, and begin with partitions that are new."""
        pause = LOOK_SOON_SECONDS
        try:
            self._check_identity()
            partitions = partitions_of(self._consumer, self._topic)
            if begins:
                self._assign(sorted(partitions - self.starts.keys()))
                pause = self._look_again_seconds
            self._missing = None
        except KafkaException as e:
            self._raise_if_lasting(e.args[0])
        self._look_at = monotonic() + pause

    def _assign(self, partitions: list[int]) -> None:
        starts = {each: self._start(each) for each in partitions}
        if not starts:
            return
        self._consumer.incremental_assign(
            [TopicPartition(self._topic, each, offset) for each, offset in starts.items()]
        )
        self.starts |= starts
        self._reached |= starts

    def _start(self, partition: int) -> int:
        """Return the first offset to read."""
        low, high = self._bounds(partition)
        if self._resumed is not None:
            return self._checked(partition, self._resumed.get(partition, low), low, high)
        if self.starts:
            return low
        asked = TopicPartition(self._topic, partition, self._since_ms)
        return offset_since(self._consumer, asked, end=high)

    def _checked(self, partition: int, position: int, low: int, high: int) -> int:
        if position < low:
            missing = TopicRange(self._topic, partition, position, low)
            raise StreamError(
                FailureReason.DATA_EXPIRED,
                f"Kafka has deleted {missing}, which were not read yet: keep the topic "
                "longer (retention.ms, retention.bytes), and deploy again",
            )
        if position > high:
            raise StreamError(
                FailureReason.DATA_GONE,
                f"{self._topic}:{partition} was read to offset {position}, but ends at "
                f"{high}: the topic was made again. Deploy again and announce it",
            )
        return position

    def _check_identity(self) -> None:
        found = topic_id_of(self._admin, self._topic)
        if self._topic_id not in {None, found}:
            raise StreamError(
                FailureReason.DATA_GONE,
                f"the topic {self._topic} was deleted and made again while it was read: "
                "deploy again and announce it",
            )
        self._topic_id = found

    def _bounds(self, partition: int) -> tuple[int, int]:
        place = TopicPartition(self._topic, partition)
        bounds: tuple[int, int] = self._consumer.get_watermark_offsets(
            place, timeout=REQUEST_SECONDS
        )
        return bounds

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == END_OF_LOG:
            partition, offset = message.partition(), message.offset()
            self._reached[partition] = max(self._reached.get(partition, 0), offset)
        elif error.code() in OUT_OF_RANGE:
            self._check_position(message.partition())
        elif error.code() in GONE:
            self._look_at = monotonic()
        else:
            self._raise_if_lasting(error)
        return False

    def _check_position(self, partition: int) -> None:
        try:
            low, high = self._bounds(partition)
        except KafkaException as e:
            self._raise_if_lasting(e.args[0])
        else:
            self._checked(partition, self._reached.get(partition, 0), low, high)

    def _batch(self, partition: int, messages: list[Message]) -> RecordBatch:
        offsets = list(map(Message.offset, messages))
        end = offsets[-1] + 1
        self._reached[partition] = end
        return RecordBatch(
            TopicRange(self._topic, partition, offsets[0], end),
            offsets,
            list(map(Message.key, messages)),
            list(map(Message.value, messages)),
        )

    def _raise_if_lasting(self, error: KafkaError) -> None:
        """Raise StreamError unless waiting may help."""
        if error.code() in FORBIDDEN:
            raise StreamError(
                FailureReason.BAD_STREAM,
                f"the platform's Kafka user may not read the topic {self._topic}",
            )
        if error.code() in GONE:
            self._missing = self._missing or Deadline.after(self._patience_seconds)
            if self._missing.passed:
                raise StreamError(
                    FailureReason.DATA_GONE,
                    f"there is no topic {self._topic} (any more): make it, and announce it",
                )
        self._tell_once(error.str())

    def _tell_once(self, obstacle: str) -> None:
        if obstacle != self._last_obstacle:
            self._last_obstacle = obstacle
            logger.warning("the stream cannot be read now", reason=obstacle)
