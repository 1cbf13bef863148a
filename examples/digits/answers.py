"""Plain Kafka: what an application does that asks an inference and reads its answers."""

import json
import os
import time
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition

TIMEOUT_SECONDS = 30
QUIET_SECONDS = 2.0


@dataclass
class Answers:
    """What an output topic or a dead-letter topic holds, record by record."""

    sources: list[str] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def send(topic: str, values: list[bytes]) -> list[str]:
    """Produce one record per value; return their coordinates, `topic/partition/offset`."""
    producer = Producer({"bootstrap.servers": _servers(), "enable.idempotence": True})
    partitions = len(_partitions(topic))
    coordinates = [""] * len(values)

    def delivered(index: int) -> Any:
        def report(error: object, message: Message) -> None:
            if error is None:
                place = f"{message.partition()}/{message.offset()}"
                coordinates[index] = f"{message.topic()}/{place}"

        return report

    for index, value in enumerate(values):
        partition = index % partitions
        producer.produce(
            topic, value=value, partition=partition, on_delivery=delivered(index)
        )
    if producer.flush(TIMEOUT_SECONDS) or not all(coordinates):
        raise TimeoutError(f"Kafka did not take every record for {topic}")
    return coordinates


def read_answers(topic: str, count: int, timeout: float) -> Answers:
    """Read a topic from its start until `count` records came and it stays quiet."""
    consumer = _reader(topic)
    answers = Answers()
    deadline = time.monotonic() + timeout
    last = time.monotonic()
    while time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            _add(answers, message)
            last = time.monotonic()
        elif len(answers.sources) >= count and time.monotonic() - last > QUIET_SECONDS:
            break
    consumer.close()
    return answers


def end_offsets(topic: str) -> dict[int, int]:
    """Return where each partition of a topic ends."""
    consumer = Consumer({"bootstrap.servers": _servers(), "group.id": "unused"})
    ends = {
        partition: consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=TIMEOUT_SECONDS
        )[1]
        for partition in _partitions(topic)
    }
    consumer.close()
    return ends


def _add(answers: Answers, message: Message) -> None:
    headers = {name: content.decode() for name, content in message.headers() or []}
    if "kafkaml-source" in headers:
        answers.sources.append(headers["kafkaml-source"])
        answers.values.append(json.loads(message.value())["values"])
        return
    place = [headers[f"__kafkaml.errors.{x}"] for x in ("topic", "partition", "offset")]
    answers.sources.append("/".join(place))
    answers.reasons.append(headers["__kafkaml.errors.message"])


def _reader(topic: str) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": _servers(),
            "group.id": "unused",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, each, 0) for each in _partitions(topic)])
    return consumer


def _partitions(topic: str) -> list[int]:
    producer = Producer({"bootstrap.servers": _servers()})
    return sorted(
        producer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic].partitions
    )


def _servers() -> str:
    return os.environ["KAFKA_ML_BOOTSTRAP_SERVERS"]
