"""Topics of a test: made, filled and read."""

import time
from collections.abc import Callable, Iterable

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from inferencer.record import Headers

YOUNG = {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}


class Topics:
    """What a test does with the broker."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
        self._producer = Producer(
            {"bootstrap.servers": bootstrap_servers, "linger.ms": 1, "log_level": 0}
        )

    def create(
        self, name: str, partitions: int = 1, *, config: dict[str, str] | None = None
    ) -> None:
        topic = NewTopic(name, partitions, 1, config=config or {})
        for future in self.admin.create_topics([topic]).values():
            future.result(timeout=30)
        deadline = time.monotonic() + 30
        while len(self._partitions(name)) != partitions:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def send(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        key: bytes | None = None,
        headers: Headers | None = None,
        partition: int = -1,
    ) -> None:
        for value in values:
            self._producer.produce(
                topic, value, key, partition, headers=list(headers or [])
            )
            self._producer.poll(0)
        assert self._producer.flush(30) == 0

    def read(self, topic: str, count: int, *, seconds: float = 60) -> list[Message]:
        """Return all records, once there are `count` of them, ordered by partition."""
        deadline = time.monotonic() + seconds
        while self.count(topic) < count:
            assert time.monotonic() < deadline, f"{topic} has {self.count(topic)} records"
            time.sleep(0.05)
        consumer = self._consumer()
        try:
            ends = self._ends(consumer, topic)
            consumer.assign([TopicPartition(topic, number, 0) for number in ends])
            messages: list[Message] = []
            while len(messages) < sum(ends.values()):
                messages.extend(consumer.consume(sum(ends.values()) - len(messages), 1))
                assert time.monotonic() < deadline
        finally:
            consumer.close()
        assert all(message.error() is None for message in messages)
        return sorted(messages, key=lambda each: (each.partition(), each.offset()))

    def read_committed(
        self, topic: str, count: int, *, seconds: float = 60
    ) -> list[Message]:
        """Return all records but those of aborted transactions, once there are `count`.

        Waits a little longer for more that ought not to come.
        """
        deadline = time.monotonic() + seconds
        consumer = self._consumer()
        messages: list[Message] = []
        try:
            consumer.assign(
                [TopicPartition(topic, each, 0) for each in self._partitions(topic)]
            )
            while True:
                more = consumer.consume(10_000, 1.0)
                messages.extend(more)
                if not more and len(messages) >= count:
                    break
                assert time.monotonic() < deadline, f"{len(messages)} records"
        finally:
            consumer.close()
        assert all(message.error() is None for message in messages)
        return messages

    def count(self, topic: str) -> int:
        consumer = self._consumer()
        try:
            return sum(self._ends(consumer, topic).values())
        finally:
            consumer.close()

    def committed(self, group: str, topic: str) -> int:
        """Return the sum of the offsets that a group committed."""
        consumer = self._consumer(group)
        places = [TopicPartition(topic, each) for each in self._partitions(topic)]
        try:
            committed = patiently(lambda: consumer.committed(places, timeout=30))
        finally:
            consumer.close()
        return sum(max(each.offset, 0) for each in committed)

    def _partitions(self, topic: str) -> list[int]:
        return sorted(self.admin.list_topics(topic, timeout=30).topics[topic].partitions)

    def _ends(self, consumer: Consumer, topic: str) -> dict[int, int]:
        return {
            number: consumer.get_watermark_offsets(
                TopicPartition(topic, number), timeout=30
            )[1]
            for number in self._partitions(topic)
        }

    def _consumer(self, group: str = "reader") -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": group,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )


def patiently(ask: Callable[[], list[TopicPartition]]) -> list[TopicPartition]:
    """Ask until there is an answer: a young broker has no coordinator for a while."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return ask()
        except KafkaException as e:
            if e.args[0].code() not in YOUNG or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def eventually(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
