"""Writes a stream to a topic, and knows exactly where it lies afterwards."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import cycle, repeat
from typing import Any

from confluent_kafka import KafkaException, Producer

from kafkaml.config import KafkaSettings
from kafkaml.control import ControlMessage, TopicRange
from kafkaml.exceptions import DeliveryError
from kafkaml.kafka import librdkafka_config
from kafkaml.sinks.deliveries import Deliveries
from kafkaml.topics import ensure_topic

_RECORDS_PER_POLL = 1000
_GRACE_SECONDS = 5.0


class StreamWriter:
    """Sends records round-robin to the partitions of one topic.

    At most 100,000 records or 64 MiB wait for the brokers; then `write` waits, too. Every
    record is acknowledged by all replicas, once and in order. Not for several threads.
    Without `notes_places` it forgets where they lie, so that it can write for ever.
    """

    def __init__(
        self,
        topic: str,
        *,
        settings: KafkaSettings,
        partitions: int,
        timeout: timedelta,
        producer_config: Mapping[str, Any],
        notes_places: bool = True,
    ) -> None:
        self._topic = topic
        self._settings = settings
        self._partitions = partitions
        self._timeout = timeout
        self._deliveries = Deliveries(topic, notes_places=notes_places)
        self._producer = _producer(settings, timeout, producer_config)
        self._next_partition: Iterator[int] | None = None

    @property
    def sent(self) -> int:
        """Number of records handed over so far."""
        return self._deliveries.sent

    def write(self, values: Sequence[bytes], keys: Sequence[bytes] | None) -> None:
        """Send records; raise DeliveryError if one of these or the earlier ones failed."""
        next_partition = self.prepare()
        produce, report = self._producer.produce, self._deliveries.report
        all_keys = repeat(None) if keys is None else keys
        records = zip(values, all_keys, next_partition, strict=False)
        for number, (value, key, partition) in enumerate(records):
            try:
                produce(self._topic, value, key, partition, report)
            except BufferError:
                self._wait_for_room(value, key, partition)
            except KafkaException as e:
                self._deliveries.sent += 1
                raise DeliveryError(f"Kafka refused a record: {e.args[0].str()}") from e
            self._deliveries.sent += 1
            if not number % _RECORDS_PER_POLL:
                self._poll()

    def prepare(self) -> Iterator[int]:
        """Make the topic unless it is there; return the partitions in turn."""
        if self._next_partition is None:
            self._next_partition = cycle(range(self._ensure(self._topic, self._partitions)))
        return self._next_partition

    def finish(self) -> tuple[TopicRange, ...]:
        """Wait until every record is acknowledged, and return where they are.

        Raises DeliveryError if one was not.
        """
        self._producer.flush(self._timeout.total_seconds() + _GRACE_SECONDS)
        self._deliveries.check_complete()
        return self._deliveries.ranges

    def announce(self, message: ControlMessage) -> None:
        """Send a control message and wait for its acknowledgement.

        Raises DeliveryError or TopicError if there is none in time.
        """
        topic = self._settings.control_topic
        self._ensure(topic, 1)
        deliveries = Deliveries(topic)
        deliveries.sent = 1
        self._producer.produce(
            topic, message.to_value(), message.to_key(), on_delivery=deliveries.report
        )
        self._producer.flush(self._timeout.total_seconds() + _GRACE_SECONDS)
        deliveries.check_complete()

    def close(self) -> None:
        """Drop what was not sent yet, and disconnect."""
        self._producer.purge()
        self._producer.close()

    def _ensure(self, topic: str, partitions: int) -> int:
        return ensure_topic(
            self._settings, topic, partitions=partitions, timeout=self._timeout
        )

    def _poll(self) -> None:
        self._producer.poll(0)
        self._deliveries.check()

    def _wait_for_room(self, value: bytes, key: bytes | None, partition: int) -> None:
        deadline = time.monotonic() + self._timeout.total_seconds() + _GRACE_SECONDS
        while time.monotonic() < deadline:
            self._producer.poll(0.1)
            self._deliveries.check()
            try:
                self._producer.produce(
                    self._topic, value, key, partition, self._deliveries.report
                )
            except BufferError:
                continue
            return
        raise DeliveryError(f"the topic {self._topic} takes no more records")


def _producer(
    settings: KafkaSettings, timeout: timedelta, more: Mapping[str, Any]
) -> Producer:
    return Producer(
        {
            **librdkafka_config(settings),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 20,
            "queue.buffering.max.messages": 100_000,
            "queue.buffering.max.kbytes": 64 * 1024,
            "delivery.timeout.ms": int(timeout.total_seconds() * 1000),
            **more,
        }
    )
