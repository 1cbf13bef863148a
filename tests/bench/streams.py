"""Streams of many records for benchmarks, written fast."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from confluent_kafka import Producer
from numpy.typing import NDArray
from tests.trainer.streams import make_topic

from kafkaml.control import ControlMessage, TopicRange

KINDS = 100
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DigitStream:
    """Records of `size` bytes, each of one of `KINDS` kinds in turn, with a label."""

    topic: str
    count: int
    size: int
    ranges: tuple[TopicRange, ...]

    @property
    def total(self) -> int:
        """The sum of all values of all records; they come in whole rounds of kinds."""
        return int(_kinds(self.size).sum(dtype=np.int64)) * self.count // KINDS

    def holds(self, features: NDArray[Any]) -> bool:
        """Tell whether a record is one of the kinds."""
        return bool((_kinds(self.size) == features).all(axis=1).any())

    def announcement(self, deployment_id: int, **fields: Any) -> ControlMessage:
        return ControlMessage.model_validate(
            {
                "deployment_id": deployment_id,
                "topic": ",".join(str(each) for each in self.ranges),
                "input_format": "RAW",
                "input_config": {
                    "data_type": "uint8",
                    "data_reshape": str(self.size),
                    "label_type": "uint8",
                    "label_reshape": None,
                },
                "total_msg": self.count,
                **fields,
            }
        )


def send_digits(servers: str, *, count: int, size: int, partitions: int) -> DigitStream:
    """Write records to a new topic, as many to each partition."""
    topic = f"bench-{size}-{secrets.token_hex(4)}"
    make_topic(servers, topic, partitions)
    values = [each.tobytes() for each in _kinds(size)]
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "queue.buffering.max.messages": 200_000,
            "linger.ms": 20,
            "acks": "all",
        }
    )
    share = count // partitions
    for partition in range(partitions):
        for number in range(share):
            _produce(producer, topic, partition, values[number % KINDS], number % 10)
    if producer.flush(SECONDS):
        raise RuntimeError("the broker did not take every record")
    ranges = tuple(TopicRange(topic, each, 0, share) for each in range(partitions))
    return DigitStream(topic, share * partitions, size, ranges)


def _produce(
    producer: Producer, topic: str, partition: int, value: bytes, label: int
) -> None:
    ends_at = time.monotonic() + SECONDS
    while True:
        try:
            producer.produce(topic, value, bytes([label]), partition)
        except BufferError:
            producer.poll(0.1)
        else:
            return
        if time.monotonic() > ends_at:
            raise RuntimeError("the broker takes no records")


def _kinds(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (KINDS, size)).astype(np.uint8)
