"""The loop on a real broker."""

import time
from collections import Counter
from collections.abc import Callable, Iterable

import orjson
from confluent_kafka import Message, TopicPartition

from inferencer.answers import SOURCE_HEADER
from inferencer.record import Headers
from kafkaml.schemas.attempts import InferenceOrder

from .orders import inference_order, value_of
from .replicas import POISON, running_replica, start_replica
from .topics import Topics, eventually


def sources(messages: Iterable[Message]) -> Counter[bytes]:
    return Counter(dict(message.headers())[SOURCE_HEADER] for message in messages)


def numbers(messages: Iterable[Message]) -> list[float]:
    return sorted(orjson.loads(message.value())["values"][0] for message in messages)


def test_every_record_is_answered_once_and_then_committed(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    topics.send(order.input_topic, map(value_of, range(5000)))

    with running_replica(kafka_bootstrap, order) as running:
        answers = topics.read(order.output_topic, 5000)
        assert running.attempts.reported_serving.wait(60)
    group = f"kafkaml-inference-{order.inference_id}"

    assert numbers(answers) == [float(each) for each in range(5000)]
    assert set(sources(answers).values()) == {1}
    assert topics.count(order.output_topic) == 5000
    assert topics.count(order.dead_letter_topic) == 0
    assert topics.committed(group, order.input_topic) == 5000
    assert max(running.engine.batch_sizes) > 32


def test_key_and_headers_travel_and_forged_ones_do_not_count(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    forged: Headers = [("trace", b"t"), ("kafkaml-source", b"forged"), ("none", None)]
    topics.send(order.input_topic, [value_of(1)], key=b"k", headers=forged, partition=3)

    with running_replica(kafka_bootstrap, order):
        [answer] = topics.read(order.output_topic, 1)

    assert answer.key() == b"k"
    assert answer.headers() == [
        ("trace", b"t"),
        ("kafkaml-inbound-source", b"forged"),
        ("none", None),
        ("kafkaml-source", f"{order.input_topic}/3/0".encode()),
        ("kafkaml-model", b"7/3"),
    ]


def test_poison_goes_to_the_dead_letters_and_the_stream_goes_on(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    poison = [b"short", None, b"", value_of(POISON)]
    topics.send(order.input_topic, [value_of(1), *poison, value_of(2)], partition=0)

    with running_replica(kafka_bootstrap, order):
        answers = topics.read(order.output_topic, 2)
        letters = topics.read(order.dead_letter_topic, 4)

    assert numbers(answers) == [1, 2]
    by_offset = {
        int(dict(letter.headers())["__kafkaml.errors.offset"]): letter for letter in letters
    }
    assert [by_offset[offset].value() for offset in (1, 2, 3, 4)] == poison
    stages = [
        dict(by_offset[offset].headers())["__kafkaml.errors.stage"] for offset in (1, 4)
    ]
    assert stages == [b"decode", b"predict"]


def test_a_dead_letter_keeps_key_headers_and_timestamp(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    headers: Headers = [("trace", b"t"), ("kafkaml-source", b"forged")]
    topics.send(order.input_topic, [b"bad"], key=b"k", headers=headers, partition=1)
    [asked] = topics.read(order.input_topic, 1)

    with running_replica(kafka_bootstrap, order):
        [letter] = topics.read(order.dead_letter_topic, 1)

    assert (letter.key(), letter.value()) == (b"k", b"bad")
    assert letter.headers()[:2] == headers
    assert letter.timestamp() == asked.timestamp()


def test_a_thousand_poisonous_records_in_a_row_stop_nothing(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    topics.send(order.input_topic, [b"poison"] * 1000, partition=0)
    topics.send(order.input_topic, [value_of(POISON)] * 1000, partition=0)
    topics.send(order.input_topic, [value_of(1)], partition=0)

    with running_replica(kafka_bootstrap, order):
        answers = topics.read(order.output_topic, 1)
        topics.read(order.dead_letter_topic, 2000)

    assert numbers(answers) == [1]
    assert topics.count(order.dead_letter_topic) == 2000


def test_replicas_share_partitions_and_changes_lose_nothing(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    first = start_replica(kafka_bootstrap, order, seconds_per_batch=0.02, batch_records=20)
    second = None
    try:
        assert first.attempts.reported_serving.wait(60)
        second = start_replica(
            kafka_bootstrap, order, seconds_per_batch=0.02, batch_records=20
        )
        sent = 0
        deadline = time.monotonic() + 30
        while not second.engine.batch_sizes:
            assert time.monotonic() < deadline
            topics.send(order.input_topic, [value_of(sent + each) for each in range(40)])
            sent += 40
            time.sleep(0.1)
        assert second.attempts.reported_serving.wait(60)
        topics.send(order.input_topic, [value_of(sent + each) for each in range(2000)])
        sent += 2000
        first.end()
        answers = topics.read(order.output_topic, sent)
    finally:
        first.end()
        if second:
            second.end()

    assert sorted(set(numbers(answers))) == [float(each) for each in range(sent)]
    assert set(sources(answers).values()) == {1}


def test_a_replica_without_partitions_serves_too(
    kafka_bootstrap: str, topics: Topics, topic_name: Callable[[str], str]
) -> None:
    order = inference_order(
        inference_id=time.time_ns(), input_topic=topic_name("in"), output_topic="unused"
    )
    topics.create(order.input_topic, 1)

    with (
        running_replica(kafka_bootstrap, order) as one,
        running_replica(kafka_bootstrap, order) as two,
    ):
        assert one.attempts.reported_serving.wait(60)
        assert two.attempts.reported_serving.wait(60)


def test_nothing_is_committed_until_the_output_topic_is_there(
    kafka_bootstrap: str, topics: Topics, topic_name: Callable[[str], str]
) -> None:
    order = inference_order(
        inference_id=time.time_ns(),
        input_topic=topic_name("in"),
        output_topic=topic_name("out"),
    )
    topics.create(order.input_topic, 2)
    topics.send(order.input_topic, map(value_of, range(100)))
    group = f"kafkaml-inference-{order.inference_id}"

    with running_replica(kafka_bootstrap, order) as running:
        health = running.replica.health
        eventually(lambda: order.output_topic in (health.trouble or ""))
        assert topics.committed(group, order.input_topic) == 0
        topics.create(order.output_topic, 1)
        answers = topics.read(order.output_topic, 100)
        eventually(lambda: topics.committed(group, order.input_topic) == 100)
        eventually(lambda: health.trouble is None)

    assert sorted(set(numbers(answers))) == [float(each) for each in range(100)]
    assert set(sources(answers).values()) == {1}


def test_nothing_is_lost_while_the_dead_letter_topic_is_missing(
    kafka_bootstrap: str, topics: Topics, topic_name: Callable[[str], str]
) -> None:
    order = inference_order(
        inference_id=time.time_ns(),
        input_topic=topic_name("in"),
        output_topic=topic_name("out"),
    )
    topics.create(order.input_topic)
    topics.create(order.output_topic)
    topics.send(order.input_topic, [b"poison", value_of(1)])
    group = f"kafkaml-inference-{order.inference_id}"

    with running_replica(kafka_bootstrap, order) as running:
        health = running.replica.health
        eventually(lambda: order.dead_letter_topic in (health.trouble or ""))
        assert topics.committed(group, order.input_topic) == 0
        topics.create(order.dead_letter_topic)
        eventually(lambda: topics.committed(group, order.input_topic) == 2)
        assert health.trouble is None

    assert len(set(sources(topics.read(order.output_topic, 1)))) == 1
    assert topics.count(order.dead_letter_topic) >= 1


def test_an_answer_that_the_topic_does_not_take_is_a_dead_letter(
    kafka_bootstrap: str, topics: Topics, topic_name: Callable[[str], str]
) -> None:
    order = inference_order(
        inference_id=time.time_ns(),
        input_topic=topic_name("in"),
        output_topic=topic_name("out"),
    )
    topics.create(order.input_topic)
    topics.create(order.output_topic, config={"max.message.bytes": "2000"})
    topics.create(order.dead_letter_topic, config={"max.message.bytes": "6000"})
    small, large, huge = b"s", b"l" * 3000, b"h" * 7000
    topics.send(order.input_topic, map(value_of, range(100)), headers=[("pad", small)])
    topics.send(order.input_topic, [value_of(100)], headers=[("pad", large)])
    topics.send(order.input_topic, [value_of(101)], headers=[("pad", huge)])

    with running_replica(kafka_bootstrap, order):
        answers = topics.read(order.output_topic, 100)
        letters = topics.read(order.dead_letter_topic, 2)

    assert sorted(set(numbers(answers))) == [float(each) for each in range(100)]
    told = {dict(each.headers())["__kafkaml.errors.offset"]: each for each in letters}
    assert told[b"100"].value() == value_of(100)
    assert dict(told[b"100"].headers())["pad"] == large
    assert told[b"101"].value() is None
    assert b"large" in (dict(told[b"101"].headers())["__kafkaml.errors.omitted"]).lower()


def test_a_new_inference_may_begin_at_the_latest_record(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    latest = order.model_copy(update={"start": "latest"})
    topics.send(order.input_topic, [value_of(1)] * 8)
    running = start_replica(kafka_bootstrap, latest)
    assert running.attempts.reported_serving.wait(60)
    running.end()
    topics.send(order.input_topic, [value_of(2)] * 8)

    with running_replica(kafka_bootstrap, latest):
        answers = topics.read(order.output_topic, 8)

    assert numbers(answers) == [2] * 8


def test_records_that_expired_before_they_were_answered_do_not_stop_the_rest(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    topics.send(order.input_topic, [value_of(1)], partition=0)
    with running_replica(kafka_bootstrap, order):
        topics.read(order.output_topic, 1)
    topics.send(order.input_topic, [value_of(2)] * 4, partition=0)
    gone = [TopicPartition(order.input_topic, 0, 3)]
    for future in topics.admin.delete_records(gone).values():
        future.result(timeout=30)

    with running_replica(kafka_bootstrap, order):
        answers = topics.read(order.output_topic, 3)

    assert sorted(sources(answers)) == [
        f"{order.input_topic}/0/{offset}".encode() for offset in (0, 3, 4)
    ]


def test_the_newer_group_protocol_works_too(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    topics.send(order.input_topic, map(value_of, range(100)))

    with running_replica(kafka_bootstrap, order, group_protocol="consumer"):
        answers = topics.read(order.output_topic, 100)

    assert numbers(answers) == [float(each) for each in range(100)]
