"""Waiting for the control message that announces the stream of a deployment."""

from datetime import UTC, datetime, timedelta
from time import monotonic
from types import TracebackType
from typing import Any, Self

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from kafkaml.control import ControlMessage, deployment_id_of
from kafkaml.exceptions import ControlMessageError
from trainer.data.consumers import (
    LOGGER,
    REQUEST_SECONDS,
    consumer_config,
    offset_since,
    partitions_of,
)

LOOK_AGAIN_AFTER = timedelta(seconds=10)

logger = structlog.get_logger()


class AnnouncementReader:
    """Reads every partition of the control topic, from a moment on, in no group."""

    def __init__(
        self, *, kafka: dict[str, Any], topic: str, since: datetime, deployment_id: int
    ) -> None:
        self._consumer = Consumer(consumer_config(kafka, reset="earliest"), logger=LOGGER)
        self._topic = topic
        self._since_ms = int(since.timestamp() * 1000)
        self._deployment_id = deployment_id
        self._assigned: set[int] = set()
        self._look_again_at = monotonic()
        self._last_obstacle = ""
        self.announced_at: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def poll(self, seconds: float) -> ControlMessage | None:
        """Return the next valid message for the deployment, None if none came in time.

        `announced_at` is then when it was written.

        A control topic that is not there yet, and a broker that is away, are waited for.
        """
        if monotonic() >= self._look_again_at:
            self._assign_new_partitions()
        message = self._consumer.poll(seconds)
        if message is None:
            return None
        error = message.error()
        if error is not None:
            self._tell_once(error.str())
            return None
        return self._announcement(message)

    def _assign_new_partitions(self) -> None:
        """Begin with the partitions that were not there when it last looked."""
        found = False
        try:
            new = sorted(partitions_of(self._consumer, self._topic) - self._assigned)
            if new:
                self._consumer.incremental_assign([self._start(each) for each in new])
                self._assigned.update(new)
            found = bool(self._assigned)
        except KafkaException as e:
            self._tell_once(e.args[0].str())
        pause = LOOK_AGAIN_AFTER if found else timedelta(seconds=1)
        self._look_again_at = monotonic() + pause.total_seconds()

    def _tell_once(self, obstacle: str) -> None:
        if obstacle != self._last_obstacle:
            self._last_obstacle = obstacle
            logger.warning("the control topic cannot be read yet", reason=obstacle)

    def _start(self, partition: int) -> TopicPartition:
        """Return the first offset that is new enough."""
        asked = TopicPartition(self._topic, partition, self._since_ms)
        _, end = self._consumer.get_watermark_offsets(asked, timeout=REQUEST_SECONDS)
        offset = offset_since(self._consumer, asked, end=end)
        return TopicPartition(self._topic, partition, offset)

    def _announcement(self, message: Message) -> ControlMessage | None:
        coordinates = f"{message.topic()}:{message.partition()}:{message.offset()}"
        try:
            announced = ControlMessage.from_record(message.key(), message.value())
        except ControlMessageError as e:
            ours = deployment_id_of(message.key()) == self._deployment_id
            log = logger.warning if ours else logger.debug
            log("skipped a control message", record=coordinates, reason=str(e))
            return None
        if announced.deployment_id != self._deployment_id:
            return None
        self.announced_at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
        logger.info("the stream is announced", record=coordinates, topic=announced.topic)
        return announced
