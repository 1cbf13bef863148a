"""The sink of the original Kafka-ML, byte for byte.

The producer is kafka-python, as theirs is; keys, values and the control message are built
as they build them: one-byte deployment id, label in the key, offsets read before and after.
A test that uses it ignores kafka-python's own warning: `IGNORE_ITS_WARNING`.
"""

import json
import warnings
from collections.abc import Iterable
from typing import Any

import pytest

with warnings.catch_warnings():  # kafka-python reads its files in a deprecated way
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

__all__ = ["IGNORE_ITS_WARNING", "KafkaConsumer", "OriginalSink"]

IGNORE_ITS_WARNING = pytest.mark.filterwarnings("ignore:read_text is deprecated")


class OriginalSink:
    """The steps of the original sinks: offsets, records, offsets, control message."""

    def __init__(self, bootstrap: str, topic: str, control_topic: str) -> None:
        self.bootstrap = bootstrap
        self.topic = topic
        self.control_topic = control_topic
        self.consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, group_id="sink", enable_auto_commit=False
        )
        self.producer = KafkaProducer(bootstrap_servers=bootstrap)
        self.starts = self.ends()

    def ends(self) -> dict[int, int]:
        found = self.consumer.partitions_for_topic(self.topic) or set()
        places = {partition: TopicPartition(self.topic, partition) for partition in found}
        ends = self.consumer.end_offsets(list(places.values()))
        return {partition: ends[place] for partition, place in places.items()}

    def send(self, samples: Iterable[tuple[bytes, bytes]]) -> None:
        for value, key in samples:
            self.producer.send(self.topic, key=key, value=value)

    def close(self, deployment_id: int, input_format: str, config: dict[str, Any]) -> None:
        self.producer.flush()
        ends = self.ends()
        ranges = [
            f"{self.topic}:{partition}:{self.starts.get(partition, 0)}:{end}"
            for partition, end in ends.items()
        ]
        message = {
            "topic": ",".join(ranges),
            "unsupervised_topic": None,
            "input_format": input_format,
            "description": "a data set",
            "dataset_restrictions": {},
            "input_config": config,
            "validation_rate": 0.1,
            "test_rate": 0.1,
            "total_msg": sum(end - self.starts.get(p, 0) for p, end in ends.items()),
            "incremental": False,
        }
        self.producer.send(
            self.control_topic,
            key=bytes([deployment_id]),
            value=json.dumps(message).encode("utf-8"),
        )
        self.producer.flush()
        self.producer.close()
        self.consumer.close(autocommit=False)
