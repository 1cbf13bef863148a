"""Records of which replicas die, or with which they never get done."""

import time

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from inferencer.suspects import JOINT_TRIES, LONE_TRIES, Mark
from kafkaml.kafka import inference_group
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import Guarantee
from kafkaml.schemas.states import ExitCode

from .lone_replica import DEADLY, ENDLESS
from .orders import value_of
from .processes import Start
from .replicas import running_replica
from .topics import Topics, patiently

RECORDS = 100
PLACE = 7


def error_of(letter: Message, name: str) -> bytes:
    value: bytes = dict(letter.headers() or [])[f"__kafkaml.errors.{name}"]
    return value


def leave_mark(topics: Topics, order: InferenceOrder, offset: int, mark: Mark) -> None:
    """Do what a replica does before it dies."""
    group = inference_group(order.inference_id)
    consumer = Consumer(
        {"bootstrap.servers": topics.bootstrap_servers, "group.id": group, "log_level": 0}
    )
    place = TopicPartition(order.input_topic, 0, offset, mark.to_metadata())
    patiently(lambda: consumer.commit(offsets=[place], asynchronous=False))
    consumer.close()


def mark_of(topics: Topics, order: InferenceOrder) -> Mark | None:
    group = inference_group(order.inference_id)
    consumer = Consumer({"bootstrap.servers": topics.bootstrap_servers, "group.id": group})
    [place] = consumer.committed([TopicPartition(order.input_topic, 0)], timeout=30)
    consumer.close()
    return Mark.from_metadata(place.metadata)


@pytest.mark.parametrize("guarantee", Guarantee)
def test_what_others_did_not_survive_is_answered_one_record_at_a_time(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder, guarantee: Guarantee
) -> None:
    order = order.model_copy(update={"guarantee": guarantee})
    topics.send(order.input_topic, map(value_of, range(RECORDS)), partition=0)
    topics.send(order.input_topic, map(value_of, range(RECORDS)), partition=1)
    leave_mark(topics, order, 10, Mark(JOINT_TRIES, alone=1, end=30))

    with running_replica(kafka_bootstrap, order) as running:
        answers = topics.read_committed(order.output_topic, 2 * RECORDS - 10)

    assert len(answers) == 2 * RECORDS - 10
    assert running.engine.batch_sizes.count(1) >= 20
    assert max(running.engine.batch_sizes) > 1
    assert mark_of(topics, order) is None
    assert topics.count(order.dead_letter_topic) == 0


@pytest.mark.parametrize("guarantee", Guarantee)
def test_what_one_replica_did_not_survive_is_first_tried_together_again(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder, guarantee: Guarantee
) -> None:
    order = order.model_copy(update={"guarantee": guarantee})
    topics.send(order.input_topic, map(value_of, range(RECORDS)), partition=0)
    leave_mark(topics, order, 10, Mark(1, alone=0, end=RECORDS))

    with running_replica(kafka_bootstrap, order) as running:
        answers = topics.read_committed(order.output_topic, RECORDS - 10)

    assert len(answers) == RECORDS - 10
    assert len(running.engine.batch_sizes) < (RECORDS - 10) / 2
    assert mark_of(topics, order) is None


@pytest.mark.parametrize("guarantee", Guarantee)
@pytest.mark.parametrize("end", [11, 30])
def test_what_nobody_survived_alone_is_a_dead_letter(
    kafka_bootstrap: str,
    topics: Topics,
    order: InferenceOrder,
    guarantee: Guarantee,
    end: int,
) -> None:
    order = order.model_copy(update={"guarantee": guarantee})
    topics.send(order.input_topic, map(value_of, range(RECORDS)), partition=0)
    leave_mark(topics, order, 10, Mark(JOINT_TRIES, alone=LONE_TRIES, end=end))

    with running_replica(kafka_bootstrap, order):
        answers = topics.read_committed(order.output_topic, RECORDS - 11)
        [letter] = topics.read_committed(order.dead_letter_topic, 1)

    assert len(answers) == RECORDS - 11
    assert letter.value() == value_of(10)
    assert error_of(letter, "offset") == b"10"
    assert error_of(letter, "stage") == b"predict"
    assert error_of(letter, "class.name") == b"ReplicaLost"
    assert mark_of(topics, order) is None


def test_a_record_that_kills_replicas_becomes_a_dead_letter_and_the_rest_is_answered(
    topics: Topics, whole_order: InferenceOrder, start: Start
) -> None:
    values = [value_of(each) for each in range(RECORDS)]
    values[PLACE] = value_of(DEADLY)
    topics.send(whole_order.input_topic, values, partition=0)

    replica = start(whole_order)
    deaths = 0
    while topics.count(whole_order.output_topic) < RECORDS - 1:
        assert deaths <= JOINT_TRIES + LONE_TRIES
        if replica.poll() is not None:
            deaths += 1
            replica = start(whole_order)
        time.sleep(0.1)

    [letter] = topics.read(whole_order.dead_letter_topic, 1)
    assert error_of(letter, "offset") == str(PLACE).encode()
    assert deaths == JOINT_TRIES + LONE_TRIES


def test_a_replica_that_never_gets_done_with_a_record_ends(
    topics: Topics, whole_order: InferenceOrder, start: Start
) -> None:
    topics.send(whole_order.input_topic, [value_of(ENDLESS)], partition=0)

    replica = start(whole_order, silence_seconds=6)

    assert replica.wait(timeout=60) == ExitCode.RETRYABLE
    assert mark_of(topics, whole_order) == Mark(1, alone=0, end=1)
