"""Reading a topic without an end, in a real broker; and what becomes of its records."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from kafkaml.control import TopicRange
from kafkaml.records import record_format
from kafkaml.schemas.deployments import BadRecords
from kafkaml.schemas.states import FailureReason
from tests.trainer.streams import (
    INPUT_CONFIG,
    Record,
    delete_before,
    make_topic,
    numbered,
    produce,
)
from trainer.data.records import Records
from trainer.data.stream import RecordBatch
from trainer.exceptions import StreamError
from trainer.incremental.topic_reader import TopicReader
from trainer.incremental.updates import UpdateCollector, ranges_text

PATIENCE_SECONDS = 30.0


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    name = f"endless-{secrets.token_hex(4)}"
    make_topic(kafka_bootstrap, name)
    return name


def reader_of(bootstrap: str, topic: str, since: datetime | None = None) -> TopicReader:
    return TopicReader(
        kafka={"bootstrap.servers": bootstrap},
        topic=topic,
        since=since or datetime.fromtimestamp(0, UTC),
        patience_seconds=1,
        look_again_seconds=0.2,
    )


def read_until(reader: TopicReader, is_enough: Callable[[list[RecordBatch]], bool]) -> Any:
    """Return the offsets of each partition."""
    batches: list[RecordBatch] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_enough(batches):
        assert time.monotonic() < deadline, batches
        batches += reader.read(1000, 0.1)
    found: dict[int, list[int]] = {}
    for batch in batches:
        found.setdefault(batch.source.partition, []).extend(batch.offsets)
    return found


def count(batches: list[RecordBatch]) -> int:
    return sum(len(batch.offsets) for batch in batches)


def test_it_begins_with_the_announcement_and_finds_partitions_that_are_added(
    kafka_bootstrap: str, topic: str
) -> None:
    produce(kafka_bootstrap, topic, numbered(5))
    time.sleep(0.05)
    since = datetime.now(UTC)
    time.sleep(0.05)
    produce(kafka_bootstrap, topic, numbered(3))
    with reader_of(kafka_bootstrap, topic, since) as reader:
        assert read_until(reader, lambda found: count(found) >= 3) == {0: [5, 6, 7]}
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
        admin.create_partitions([NewPartitions(topic, 2)])[topic].result(20)
        produce(kafka_bootstrap, topic, numbered(2), partition=1)
        assert read_until(reader, lambda found: count(found) >= 2) == {1: [0, 1]}
        assert reader.starts == {0: 5, 1: 0}
        assert reader.is_at_end()


def test_it_reads_on_where_it_was(kafka_bootstrap: str, topic: str) -> None:
    produce(kafka_bootstrap, topic, numbered(9))
    with reader_of(kafka_bootstrap, topic) as reader:
        reader.begin({0: 7})
        assert read_until(reader, lambda found: count(found) >= 2) == {0: [7, 8]}


@pytest.mark.parametrize(
    ("position", "reason"),
    [(2, FailureReason.DATA_EXPIRED), (99, FailureReason.DATA_GONE)],
)
def test_what_is_not_in_the_log_any_more_is_named(
    kafka_bootstrap: str, topic: str, position: int, reason: FailureReason
) -> None:
    produce(kafka_bootstrap, topic, numbered(9))
    delete_before(kafka_bootstrap, topic, 5)
    with reader_of(kafka_bootstrap, topic) as reader:
        reader.begin({0: position})
        with pytest.raises(StreamError) as raised:
            read_until(reader, lambda _: False)
    assert raised.value.reason is reason


def test_a_topic_that_is_made_again_is_told_from_the_one_before(
    kafka_bootstrap: str, topic: str
) -> None:
    produce(kafka_bootstrap, topic, numbered(3))
    with reader_of(kafka_bootstrap, topic) as reader:
        read_until(reader, lambda found: count(found) >= 3)
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
        admin.delete_topics([topic])[topic].result(20)
        with pytest.raises(StreamError) as raised:
            read_until(reader, lambda _: False)
    assert raised.value.reason is FailureReason.DATA_GONE


def batch(records: list[Record], first: int = 0, partition: int = 0) -> RecordBatch:
    end = first + len(records)
    keys, values = zip(*records, strict=True)
    place = TopicRange("a", partition, first, end)
    return RecordBatch(place, list(range(first, end)), list(keys), list(values))


def collector(**bad_records: Any) -> tuple[UpdateCollector, list[Records]]:
    seen: list[Records] = []
    made = UpdateCollector(
        record_format("RAW", INPUT_CONFIG),
        bad_records=BadRecords(**bad_records),
        check=seen.append,
    )
    return made, seen


def test_updates_are_cut_by_count_and_know_their_positions() -> None:
    updates, _ = collector()
    updates.add(batch(numbered(5), first=10))
    updates.add(batch(numbered(5, first=5), first=20, partition=1))
    first, second = updates.take(7), updates.take(3)
    assert first.features[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert first.positions == {0: 15, 1: 22}
    assert second.features[:, 0].tolist() == [7, 8, 9]
    assert second.positions == {0: 15, 1: 25}
    assert updates.pending == 0
    assert ranges_text("a", {0: 10, 1: 20, 2: 0}, second.positions) == "a:0:10:15,a:1:20:25"


def test_a_bad_record_fails_or_is_left_out() -> None:
    bad: list[Record] = [(None, b"short"), *numbered(3)]
    failing, _ = collector()
    with pytest.raises(StreamError, match="a:0:7"):
        failing.add(batch(bad, first=7))
    skipping, seen = collector(action="skip", max_rate=0.5)
    skipping.add(batch(bad, first=7))
    assert skipping.pending == 3
    assert seen[0].coordinates(0) == "a:0:8"
    skipped = skipping.skipped()
    assert skipped is not None
    assert (skipped.count, skipped.first[0].coordinates) == (1, "a:0:7")
    np.testing.assert_array_equal(skipping.take(3).labels, [0, 0, 0])
