"""Answers and offsets in one transaction, on a real broker."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from confluent_kafka import (
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from inferencer.answers import SOURCE_HEADER
from inferencer.dead_letters import DeadLetterWriter
from inferencer.exactly_once import ExactlyOnce
from inferencer.exceptions import DeliveryError
from inferencer.metrics import Metrics
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import Guarantee

from .messages import record
from .orders import inference_order, value_of
from .replicas import POISON, running_replica, start_replica
from .topics import Topics, eventually


def exactly_once(order: InferenceOrder) -> InferenceOrder:
    return order.model_copy(update={"guarantee": Guarantee.EXACTLY_ONCE})


@pytest.fixture
def once(order: InferenceOrder) -> InferenceOrder:
    return exactly_once(order)


def sources(messages: list[Message]) -> Counter[bytes]:
    return Counter(dict(message.headers())[SOURCE_HEADER] for message in messages)


def committed(topics: Topics, order: InferenceOrder) -> int:
    group = f"kafkaml-inference-{order.inference_id}"
    return topics.committed(group, order.input_topic)


def test_answers_dead_letters_and_offsets_are_committed_together(
    kafka_bootstrap: str, topics: Topics, once: InferenceOrder
) -> None:
    topics.send(once.input_topic, map(value_of, range(5000)))
    topics.send(once.input_topic, [b"short", value_of(POISON)])

    with running_replica(kafka_bootstrap, once) as running:
        answers = topics.read_committed(once.output_topic, 5000)
        letters = topics.read_committed(once.dead_letter_topic, 2)
        assert running.attempts.reported_serving.wait(60)

    numbers = sorted(orjson.loads(each.value())["values"][0] for each in answers)
    assert numbers == [float(each) for each in range(5000)]
    assert set(sources(answers).values()) == {1}
    assert len(letters) == 2
    assert committed(topics, once) == 5002
    assert running.replica.metrics.answers == 5000


def test_what_a_topic_does_not_take_is_a_dead_letter_of_the_next_transaction(
    kafka_bootstrap: str, topics: Topics, topic_name: Callable[[str], str]
) -> None:
    order = exactly_once(
        inference_order(
            inference_id=time.time_ns(),
            input_topic=topic_name("in"),
            output_topic=topic_name("out"),
        )
    )
    topics.create(order.input_topic)
    topics.create(order.output_topic, config={"max.message.bytes": "2000"})
    topics.create(order.dead_letter_topic, config={"max.message.bytes": "6000"})
    topics.send(order.input_topic, map(value_of, range(50)), headers=[("pad", b"s")])
    topics.send(order.input_topic, [value_of(50)], headers=[("pad", b"l" * 3000)])
    topics.send(order.input_topic, [value_of(51)], headers=[("pad", b"h" * 7000)])
    topics.send(order.input_topic, [value_of(52)], headers=[("pad", b"s")])

    with running_replica(kafka_bootstrap, order):
        answers = topics.read_committed(order.output_topic, 51)
        letters = topics.read_committed(order.dead_letter_topic, 2)

    assert len(sources(answers)) == len(answers) == 51
    told = {dict(each.headers())["__kafkaml.errors.offset"]: each for each in letters}
    assert told[b"50"].value() == value_of(50)
    assert told[b"51"].value() is None


def test_nothing_is_seen_until_the_output_topic_is_there(
    kafka_bootstrap: str, topics: Topics, topic_name: Callable[[str], str]
) -> None:
    order = exactly_once(
        inference_order(
            inference_id=time.time_ns(),
            input_topic=topic_name("in"),
            output_topic=topic_name("out"),
        )
    )
    topics.create(order.input_topic, 2)
    topics.send(order.input_topic, map(value_of, range(100)))

    with running_replica(kafka_bootstrap, order) as running:
        health = running.replica.health
        eventually(lambda: "transaction failed" in (health.trouble or ""))
        assert committed(topics, order) == 0
        topics.create(order.output_topic, 1)
        answers = topics.read_committed(order.output_topic, 100)
        eventually(lambda: health.trouble is None)

    assert len(sources(answers)) == len(answers) == 100
    assert committed(topics, order) == 100


def test_a_rebalance_within_a_transaction_repeats_nothing(
    kafka_bootstrap: str, topics: Topics, once: InferenceOrder
) -> None:
    settings: dict[str, Any] = {"batch_records": 20, "transaction_seconds": 1.0}
    settings["seconds_per_batch"] = 0.005
    topics.send(once.input_topic, map(value_of, range(20_000)))
    first = start_replica(kafka_bootstrap, once, **settings)
    try:
        eventually(lambda: len(first.engine.batch_sizes) > 50)
        with running_replica(kafka_bootstrap, once, **settings) as second:
            eventually(lambda: bool(second.engine.batch_sizes))
            first.end()
            answers = topics.read_committed(once.output_topic, 20_000, seconds=60)
    finally:
        first.end()

    assert len(sources(answers)) == len(answers) == 20_000


def test_a_batch_that_takes_too_long_is_given_up_and_done_again_in_smaller_ones(
    kafka_bootstrap: str, topics: Topics, once: InferenceOrder
) -> None:
    topics.send(once.input_topic, map(value_of, range(40)), partition=0)

    with running_replica(
        kafka_bootstrap,
        once,
        seconds_per_record=0.25,
        batch_seconds=1.0,
        silence_seconds=6.0,
        session_seconds=6.0,
    ) as running:
        answers = topics.read_committed(once.output_topic, 40, seconds=60)

    assert running.engine.batch_sizes[0] > 24
    assert running.engine.batch_sizes[-1] <= 8
    assert len(sources(answers)) == len(answers) == 40


class LostAnswers:
    """Transactions whose commit comes about, or not, while its answer is lost."""

    def __init__(self) -> None:
        self.is_settled = False

    def begin(self) -> Producer:
        return Producer({})

    def commit(self, _places: object, _group: object) -> None:
        raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT))

    def fail(self) -> None:
        """The producer is given up."""

    def settle(self) -> None:
        if not self.is_settled:
            raise DeliveryError("not known yet")


class CommittedAt:
    """A consumer of a group that committed an offset."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def consumer_group_metadata(self) -> None:
        """Nobody looks at it."""

    def committed(
        self, places: list[TopicPartition], timeout: float
    ) -> list[TopicPartition]:
        assert timeout > 0
        return [TopicPartition(each.topic, each.partition, self._offset) for each in places]


@pytest.mark.parametrize(("committed_offset", "next_offset"), [(-1001, 5), (5, 5), (7, 7)])
def test_kafka_says_whether_a_commit_without_an_answer_came_about(
    committed_offset: int, next_offset: int
) -> None:
    transactions = LostAnswers()
    guarantee = ExactlyOnce(
        consumer=CommittedAt(committed_offset),
        transactions=transactions,  # type: ignore[arg-type]
        dead_letters=DeadLetterWriter(topic="out.dlq"),
        window_seconds=0.1,
        patience_seconds=1.0,
        metrics=Metrics(),
    )
    guarantee.send([record(b"", offset=5), record(b"", offset=6)], [])

    assert not guarantee.commit()
    with pytest.raises(DeliveryError, match="not known yet"):
        guarantee.take_lost()
    transactions.is_settled = True
    assert guarantee.take_lost() == {("in", 1): next_offset}
    assert not guarantee.is_lost
    assert not guarantee.pending
