"""Records in a real broker, and what announces them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kafkaml.control import ControlMessage, TopicRange

SECONDS = 20.0
INPUT_CONFIG = {
    "data_type": "float32",
    "data_reshape": "2",
    "label_type": "uint8",
    "label_reshape": None,
}

Record = tuple[bytes | None, bytes | None]


def make_topic(bootstrap: str, name: str, partitions: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    made = admin.create_topics([NewTopic(name, partitions, 1)])
    made[name].result(SECONDS)


def produce(
    bootstrap: str, topic: str, records: Sequence[Record], partition: int = 0
) -> TopicRange:
    """Write keys and values to one partition and return the range that they have."""
    offsets: list[int] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for key, value in records:
        producer.produce(
            topic,
            value,
            key,
            partition=partition,
            on_delivery=lambda _, message: offsets.append(message.offset()),
        )
    assert producer.flush(SECONDS) == 0
    return TopicRange(topic, partition, min(offsets), max(offsets) + 1)


def produce_in_transactions(
    bootstrap: str, topic: str, transactions: Sequence[tuple[Sequence[Record], bool]]
) -> None:
    """Write each list of records in a transaction that is committed, or aborted."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
    producer.init_transactions(SECONDS)
    for records, is_committed in transactions:
        producer.begin_transaction()
        for key, value in records:
            producer.produce(topic, value, key)
        producer.flush(SECONDS)
        end = producer.commit_transaction if is_committed else producer.abort_transaction
        end(SECONDS)


def delete_before(bootstrap: str, topic: str, offset: int) -> None:
    """Do what retention does: move the start of the log."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for deleted in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        deleted.result(SECONDS)


def announce(
    bootstrap: str,
    control_topic: str,
    message: ControlMessage,
    *,
    timestamp: datetime | None = None,
) -> None:
    when = timestamp or datetime.now(UTC)
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(
        control_topic,
        message.to_value(),
        message.to_key(),
        timestamp=int(when.timestamp() * 1000),
    )
    assert producer.flush(SECONDS) == 0


def message_of(
    *ranges: TopicRange, deployment_id: int = 1, **fields: Any
) -> ControlMessage:
    return ControlMessage.model_validate(
        {
            "deployment_id": deployment_id,
            "topic": ",".join(str(each) for each in ranges),
            "input_format": "RAW",
            "input_config": INPUT_CONFIG,
            **fields,
        }
    )


def separable(count: int, classes: int = 3) -> list[Record]:
    """Return records of two numbers whose class is plain to see, in random order."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.arange(count) % classes).astype(np.uint8)
    centres = np.array([[4, 0], [-4, 0], [0, 4]], np.float32)
    features = centres[labels] + generator.normal(0, 0.3, (count, 2)).astype(np.float32)
    return [
        (label.tobytes(), feature.astype(np.float32).tobytes())
        for label, feature in zip(labels, features, strict=True)
    ]


def numbered(count: int, first: int = 0) -> list[Record]:
    """Return records that hold their own number, to see which were read."""
    return [
        (b"\0", np.array([number, 0], np.float32).tobytes())
        for number in range(first, first + count)
    ]
