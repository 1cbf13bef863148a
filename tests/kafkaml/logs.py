"""Reading parts of Kafka's log in tests."""

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from kafkaml.control import ControlMessage, TopicRange
from kafkaml.kafka import librdkafka_config
from kafkaml.sinks.base import kafka_settings


@dataclass(frozen=True)
class LogRecord:
    key: bytes | None
    value: bytes | None


def open_consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {
            **librdkafka_config(kafka_settings(bootstrap)),
            "group.id": "tests",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )


def read_ranges(bootstrap: str, ranges: Iterable[TopicRange]) -> list[LogRecord]:
    """Return the records of the ranges, range by range."""
    consumer = open_consumer(bootstrap)
    records = []
    for each in ranges:
        consumer.assign([TopicPartition(each.topic, each.partition, each.start)])
        left = len(each)
        while left:
            messages = consumer.consume(left, timeout=20)
            assert messages, f"{each} is not there"
            for message in messages:
                assert message.error() is None, message.error()
                records.append(LogRecord(message.key(), message.value()))
            left -= len(messages)
    consumer.close()
    return records


def count_records(bootstrap: str, topic: str, partition: int = 0) -> int:
    """Return how many records a partition holds; 0 if the topic is absent."""
    consumer = open_consumer(bootstrap)
    try:
        if topic not in consumer.list_topics(timeout=20).topics:
            return 0
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), 20)
    finally:
        consumer.close()
    return int(high - low)


def read_announcements(bootstrap: str, control_topic: str) -> list[ControlMessage]:
    """Return all messages of a control topic."""
    end = count_records(bootstrap, control_topic)
    if not end:
        return []
    records = read_ranges(bootstrap, [TopicRange(control_topic, 0, 0, end)])
    return [ControlMessage.from_record(each.key, each.value) for each in records]
