"""What an inference does for its client: answers of an input topic in an output topic."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import orjson
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Topics:
    input: str
    output: str

    def create(self, bootstrap: str) -> None:
        topics = [
            NewTopic(name, 1, 1) for name in (self.input, self.output, f"{self.output}.dlq")
        ]
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.create_topics(topics).values():
            future.result(TIMEOUT_SECONDS)


@contextmanager
def answering_sums(topics: Topics, bootstrap: str) -> Iterator[None]:
    """Answer each record of bytes with their sum while the context lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=_answer, args=(topics, bootstrap, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(TIMEOUT_SECONDS)


def _answer(topics: Topics, bootstrap: str, stop: threading.Event) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": topics.input,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topics.input])
    while not stop.is_set():
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            _reply(message, producer, topics.output)
    consumer.close()
    producer.flush(TIMEOUT_SECONDS)


def _reply(message: Message, producer: Producer, topic: str) -> None:
    values = np.frombuffer(message.value(), np.uint8)
    answer = orjson.dumps({"values": [int(values.sum())]})
    producer.produce(topic, answer, headers=message.headers())
    producer.poll(0)
