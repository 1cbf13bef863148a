from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from kafkaml.control import ControlMessage, TopicRange
from tests.trainer.streams import announce, make_topic, message_of
from trainer.data.announcement import AnnouncementReader
from trainer.deadline import Deadline

SINCE = datetime.now(UTC) - timedelta(minutes=10)


@pytest.fixture
def control_topic(topic_name: Callable[[str], str]) -> str:
    return topic_name("control")


def reader_of(bootstrap: str, topic: str) -> AnnouncementReader:
    return AnnouncementReader(
        kafka={"bootstrap.servers": bootstrap}, topic=topic, since=SINCE, deployment_id=1
    )


def wait(reader: AnnouncementReader, seconds: float = 20) -> ControlMessage | None:
    deadline = Deadline.after(seconds)
    while not deadline.passed:
        found = reader.poll(0.2)
        if found is not None:
            return found
    return None


def described(text: str, deployment_id: int = 1) -> ControlMessage:
    wanted = TopicRange("data", 0, 0, 5)
    return message_of(wanted, deployment_id=deployment_id, description=text)


def test_the_first_valid_message_for_the_deployment_is_taken(
    kafka_bootstrap: str, control_topic: str
) -> None:
    make_topic(kafka_bootstrap, control_topic)
    too_old = SINCE - timedelta(hours=1)
    announce(kafka_bootstrap, control_topic, described("older"), timestamp=too_old)
    announce(kafka_bootstrap, control_topic, described("other", deployment_id=2))
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    for key, value in (
        (b"\1", b"no JSON"),
        (None, None),
        (b"\1", b"{}"),
        (b"x" * 9, b"{}"),
    ):
        producer.produce(control_topic, value, key)
    assert producer.flush(20) == 0
    announce(kafka_bootstrap, control_topic, described("this"))
    announce(kafka_bootstrap, control_topic, described("later"))
    with reader_of(kafka_bootstrap, control_topic) as reader:
        found = wait(reader)
    assert found is not None
    assert found.description == "this"


def test_a_message_that_comes_while_waiting_is_found_in_any_partition(
    kafka_bootstrap: str, control_topic: str
) -> None:
    with reader_of(kafka_bootstrap, control_topic) as reader:
        assert wait(reader, 1) is None  # the topic is not there yet
        make_topic(kafka_bootstrap, control_topic, partitions=3)
        assert wait(reader, 3) is None  # now it is, and empty
        announce(kafka_bootstrap, control_topic, described("now"))
        found = wait(reader)
    assert found is not None
    assert found.description == "now"
