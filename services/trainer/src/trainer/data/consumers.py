"""How the trainer reads Kafka: by assignment, in no group, and only what is committed."""

import logging
from typing import Any, Literal

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

REQUEST_SECONDS = 5.0
LOGGER = logging.getLogger("librdkafka")


def consumer_config(
    kafka: dict[str, Any], *, reset: Literal["earliest", "error"]
) -> dict[str, Any]:
    """Return the settings of a consumer; `reset` is for an offset that is not there."""
    return {
        **kafka,
        "group.id": "kafkaml-trainer",  # the client asks for one; nothing is committed
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": reset,
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "enable.partition.eof": reset == "error",
        "fetch.wait.max.ms": 20,  # the end of a log is known after one empty fetch
    }


def partitions_of(consumer: Consumer, topic: str) -> set[int]:
    """Return the partitions of a topic; raise KafkaException, also if it is not there."""
    found = consumer.list_topics(topic, timeout=REQUEST_SECONDS).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return set(found.partitions)


def offset_since(consumer: Consumer, asked: TopicPartition, *, end: int) -> int:
    """Return the first offset that is not older than `asked.offset`, in milliseconds.

    It is `end` if there is none. Who asked for the end before misses no record that was
    written between the two questions. Raise KafkaException.
    """
    [found] = consumer.offsets_for_times([asked], timeout=REQUEST_SECONDS)
    if found.error is not None:
        raise KafkaException(found.error)
    return found.offset if found.offset >= 0 else end


def topic_id_of(admin: AdminClient, topic: str) -> str:
    """Return what tells a topic from a later one of its name; raise KafkaException."""
    described = admin.describe_topics(
        TopicCollection([topic]), request_timeout=REQUEST_SECONDS
    )
    try:
        return str(described[topic].result(2 * REQUEST_SECONDS).topic_id)
    except TimeoutError as e:
        late = KafkaError._TIMED_OUT  # noqa: SLF001  # the public name of its own codes
        raise KafkaException(KafkaError(late)) from e
