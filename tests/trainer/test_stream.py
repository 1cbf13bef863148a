import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Timer

import numpy as np
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from kafkaml.control import TopicRange
from kafkaml.schemas.states import FailureReason
from tests.trainer.streams import (
    Record,
    delete_before,
    make_topic,
    numbered,
    produce,
    produce_in_transactions,
)
from trainer.data.preparation import check_time
from trainer.data.stream import RangeReader, RecordBatch
from trainer.data.topic_identity import TopicIdentities
from trainer.deadline import Deadline
from trainer.exceptions import DeadlineError, StreamError

TopicName = Callable[[str], str]

CLEANER_SECONDS = 60
SET = AlterConfigOpType.SET


@pytest.fixture
def topic(kafka_bootstrap: str, topic_name: TopicName) -> str:
    name = topic_name("data")
    make_topic(kafka_bootstrap, name, partitions=2)
    return name


def read(bootstrap: str, *ranges: TopicRange, patience_seconds: float = 1) -> list[int]:
    """Return the numbers that the records of the ranges hold."""
    with RangeReader(
        kafka={"bootstrap.servers": bootstrap},
        patience_seconds=patience_seconds,
        deadline=Deadline.after(30),
    ) as reader:
        return [
            int(np.frombuffer(value or b"", np.float32)[0])
            for batch in reader.read(*ranges)
            for value in batch.values
        ]


def failure_of(bootstrap: str, wanted: TopicRange) -> StreamError:
    with pytest.raises(StreamError) as caught:
        read(bootstrap, wanted)
    return caught.value


def test_reads_exactly_the_ranges_in_their_order(kafka_bootstrap: str, topic: str) -> None:
    produce(kafka_bootstrap, topic, numbered(5000), partition=0)
    produce(kafka_bootstrap, topic, numbered(20, 10_000), partition=1)
    ranges = [
        TopicRange(topic, 1, 5, 8),
        TopicRange(topic, 0, 1000, 4500),
        TopicRange(topic, 1, 0, 2),
        TopicRange(topic, 0, 7, 7),
    ]
    assert read(kafka_bootstrap, *ranges) == [
        *range(10_005, 10_008),
        *range(1000, 4500),
        *range(10_000, 10_002),
    ]


def test_records_that_arrive_a_moment_later_are_waited_for(
    kafka_bootstrap: str, topic: str
) -> None:
    produce(kafka_bootstrap, topic, numbered(5))
    late = Timer(1, produce, (kafka_bootstrap, topic, numbered(5, 5)))
    late.start()
    wanted = TopicRange(topic, 0, 0, 10)
    assert read(kafka_bootstrap, wanted, patience_seconds=10) == list(range(10))
    late.join()


def test_gaps_of_transactions_are_read_over_and_a_marker_at_the_end_is_no_wait(
    kafka_bootstrap: str, topic_name: TopicName
) -> None:
    topic = topic_name("transactions")
    make_topic(kafka_bootstrap, topic)
    produce_in_transactions(
        kafka_bootstrap,
        topic,
        [(numbered(10), True), (numbered(10, 10), False), (numbered(10, 20), True)],
    )
    started = time.monotonic()
    # 3 x 10 records and a marker after each: the last offset is a marker.
    assert read(kafka_bootstrap, TopicRange(topic, 0, 0, 33)) == [
        *range(10),
        *range(20, 30),
    ]
    assert read(kafka_bootstrap, TopicRange(topic, 0, 11, 22)) == []
    assert time.monotonic() - started < 5


def test_a_missing_topic_or_partition_is_gone(kafka_bootstrap: str, topic: str) -> None:
    for wanted in (TopicRange("no-such-topic", 0, 0, 5), TopicRange(topic, 7, 0, 5)):
        error = failure_of(kafka_bootstrap, wanted)
        assert error.reason is FailureReason.DATA_GONE
        assert wanted.topic in error.message


def test_records_that_retention_has_deleted_are_named(
    kafka_bootstrap: str, topic: str
) -> None:
    produce(kafka_bootstrap, topic, numbered(20))
    delete_before(kafka_bootstrap, topic, 8)
    error = failure_of(kafka_bootstrap, TopicRange(topic, 0, 2, 20))
    assert error.reason is FailureReason.DATA_EXPIRED
    assert f"{topic}:0:2:8" in error.message


def test_a_log_shorter_than_announced_is_short(kafka_bootstrap: str, topic: str) -> None:
    produce(kafka_bootstrap, topic, numbered(10))
    error = failure_of(kafka_bootstrap, TopicRange(topic, 0, 4, 15))
    assert error.reason is FailureReason.DATA_SHORT
    assert "6 of 11" in error.message


def test_records_of_an_open_transaction_are_not_read(
    kafka_bootstrap: str, topic_name: TopicName
) -> None:
    topic = topic_name("open")
    make_topic(kafka_bootstrap, topic)
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    for key, value in numbered(5):
        producer.produce(topic, value, key)
    producer.flush(20)
    error = failure_of(kafka_bootstrap, TopicRange(topic, 0, 0, 5))
    producer.abort_transaction(20)
    assert error.reason is FailureReason.DATA_SHORT
    assert "is a transaction open" in error.message


def test_a_broker_that_is_away_is_waited_for_until_the_deadline() -> None:
    with (
        RangeReader(
            kafka={"bootstrap.servers": "127.0.0.1:9"},
            patience_seconds=0,
            deadline=Deadline.after(1),
        ) as reader,
        pytest.raises(DeadlineError, match="is Kafka reachable"),
    ):
        list(reader.read(TopicRange("topic", 0, 0, 5)))


def test_partitions_that_are_added_meanwhile_change_nothing(
    kafka_bootstrap: str, topic: str
) -> None:
    wanted = produce(kafka_bootstrap, topic, numbered(10))
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(20)
    produce(kafka_bootstrap, topic, numbered(3, 100), partition=4)
    assert read(kafka_bootstrap, wanted) == list(range(10))


def test_a_hundred_ranges_of_several_topics_are_read_in_their_order(
    kafka_bootstrap: str, topic: str, topic_name: TopicName
) -> None:
    other = topic_name("other")
    make_topic(kafka_bootstrap, other)
    produce(kafka_bootstrap, topic, numbered(200), partition=1)
    produce(kafka_bootstrap, other, numbered(200, 1000))
    ranges = [
        TopicRange(*place, 4 * each, 4 * each + 3)
        for each in range(50)
        for place in ((topic, 1), (other, 0))
    ]
    found = read(kafka_bootstrap, *ranges)
    assert len(found) == 300
    assert found[:7] == [0, 1, 2, 1000, 1001, 1002, 4]


def test_large_records_are_read_a_few_at_a_time(kafka_bootstrap: str, topic: str) -> None:
    large: list[Record] = [(b"\0", bytes(900_000))] * 60
    wanted = produce(kafka_bootstrap, topic, large)
    with RangeReader(
        kafka={"bootstrap.servers": kafka_bootstrap},
        patience_seconds=1,
        deadline=Deadline.after(30),
    ) as reader:
        counts = [len(batch.values) for batch in reader.read(wanted)]
    assert sum(counts) == 60
    assert max(counts[1:], default=0) <= 9


def test_a_topic_that_was_made_again_meanwhile_is_gone(
    kafka_bootstrap: str, topic: str
) -> None:
    kafka = {"bootstrap.servers": kafka_bootstrap}
    produce(kafka_bootstrap, topic, numbered(5))
    topics = TopicIdentities(kafka=kafka, topics={topic}, deadline=Deadline.after(30))
    topics.check()
    admin = AdminClient(kafka)
    admin.delete_topics([topic])[topic].result(20)
    with pytest.raises(StreamError, match="deleted and made again"):
        topics.check()
    make_again(kafka_bootstrap, topic)
    with pytest.raises(StreamError, match="deleted and made again") as caught:
        topics.check()
    assert caught.value.reason is FailureReason.DATA_GONE


def make_again(bootstrap: str, topic: str) -> None:
    """Make a topic as soon as the broker has let go of the one of that name."""
    deadline = Deadline.after(20)
    while True:
        try:
            make_topic(bootstrap, topic)
        except KafkaException:
            assert not deadline.passed
            time.sleep(0.2)
        else:
            return


def test_a_topic_that_is_deleted_while_it_is_read_is_gone(
    kafka_bootstrap: str, topic: str
) -> None:
    wanted = produce(kafka_bootstrap, topic, [(b"\0", bytes(100_000))] * 1500)
    with RangeReader(
        kafka={"bootstrap.servers": kafka_bootstrap, "fetch.message.max.bytes": 10**6},
        patience_seconds=1,
        deadline=Deadline.after(60),
    ) as reader:
        batches = reader.read(wanted)
        next(batches)
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
        admin.delete_topics([topic])[topic].result(20)
        with pytest.raises(StreamError) as caught:
            list(batches)
    assert caught.value.reason is FailureReason.DATA_GONE


def test_records_that_retention_deletes_while_they_are_read_are_expired(
    kafka_bootstrap: str, topic: str
) -> None:
    # More than the reader fetches ahead, or it would have what is deleted.
    wanted = produce(kafka_bootstrap, topic, [(b"\0", bytes(200_000))] * 400)
    with RangeReader(
        kafka={"bootstrap.servers": kafka_bootstrap, "fetch.message.max.bytes": 10**6},
        patience_seconds=1,
        deadline=Deadline.after(60),
    ) as reader:
        batches = reader.read(wanted)
        first = next(batches)
        delete_before(kafka_bootstrap, topic, 390)
        with pytest.raises(StreamError) as caught:
            list(batches)
    assert len(first.values) < 390
    assert caught.value.reason is FailureReason.DATA_EXPIRED
    assert f"{topic}:0:0:390" in caught.value.message


def test_gaps_of_compaction_are_read_over(
    kafka_bootstrap: str, topic_name: TopicName
) -> None:
    topic = topic_name("compacted")
    make_compacted(kafka_bootstrap, topic)
    # Two keys: all but the last record of each go, once their segment is closed.
    records = [(b"01"[at % 2 :][:1], value) for at, (_, value) in enumerate(numbered(100))]
    wanted = produce(kafka_bootstrap, topic, records)
    deadline = Deadline.after(CLEANER_SECONDS)
    while len(found := read(kafka_bootstrap, wanted)) == len(records):
        assert not deadline.passed, "the log was not compacted"
        time.sleep(0.5)
        # A record of another key closes the segment; it is behind the range.
        produce(kafka_bootstrap, topic, [(b"other", b"")])
    assert found[-2:] == [98, 99]
    assert found == sorted(found)


def make_compacted(bootstrap: str, topic: str) -> None:
    """Make a topic that the broker compacts as soon as it can."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    often = ConfigEntry("log.cleaner.backoff.ms", "500", incremental_operation=SET)
    [number] = admin.list_topics(timeout=20).brokers
    broker = ConfigResource(ResourceType.BROKER, str(number), incremental_configs=[often])
    admin.incremental_alter_configs([broker])[broker].result(20)
    config = {
        "cleanup.policy": "compact",
        "segment.ms": "100",
        "min.cleanable.dirty.ratio": "0.0001",
    }
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(20)


def test_the_time_of_a_record_is_told_if_it_is_the_brokers(
    kafka_bootstrap: str, topic: str, topic_name: TopicName
) -> None:
    logged = topic_name("logged")
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    config = {"message.timestamp.type": "LogAppendTime"}
    admin.create_topics([NewTopic(logged, 1, 1, config=config)])[logged].result(20)
    times = []
    for name in (logged, topic):
        wanted = produce(kafka_bootstrap, name, numbered(2))
        with RangeReader(
            kafka={"bootstrap.servers": kafka_bootstrap},
            patience_seconds=1,
            deadline=Deadline.after(30),
        ) as reader:
            times += [batch.logged_at for batch in reader.read(wanted)]
    now = datetime.now(UTC)
    assert times[0] is not None
    assert abs(now - times[0]) < timedelta(minutes=1)
    assert times[1] is None


@pytest.mark.parametrize(("minutes", "is_refused"), [(-60, False), (4, False), (6, True)])
def test_records_that_the_broker_wrote_after_their_announcement_are_of_another_topic(
    minutes: int, *, is_refused: bool
) -> None:
    announced_at = datetime(2026, 1, 1, tzinfo=UTC)
    at = announced_at + timedelta(minutes=minutes)
    batch = RecordBatch(TopicRange("t", 0, 7, 8), [7], [None], [b""], at)
    if not is_refused:
        check_time(batch, announced_at)
        return
    with pytest.raises(StreamError, match="record t:0:7 was written at") as caught:
        check_time(batch, announced_at)
    assert caught.value.reason is FailureReason.DATA_GONE
