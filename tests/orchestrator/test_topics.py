import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import TopicError
from kafkaml.schemas.workloads import WantedTopic
from orchestrator.exceptions import TopicRefusedError
from orchestrator.topics import KafkaTopics


@pytest.fixture
def topics(kafka_bootstrap: str) -> KafkaTopics:
    return KafkaTopics(settings=KafkaSettings(bootstrap_servers=kafka_bootstrap))


@pytest.fixture
def admin(kafka_bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka_bootstrap})


def partitions(admin: AdminClient, name: str) -> int:
    return len(admin.list_topics(name, timeout=10).topics[name].partitions)


async def test_missing_topics_are_made(
    topics: KafkaTopics, admin: AdminClient, topic_name: Callable[[str], str]
) -> None:
    wanted = [
        WantedTopic(name=topic_name("in"), partitions=3),
        WantedTopic(name=topic_name("out"), partitions=1),
    ]
    await topics.ensure(wanted)
    assert [partitions(admin, each.name) for each in wanted] == [3, 1]


async def test_topics_of_another_cluster_are_not_made_here(
    topics: KafkaTopics, admin: AdminClient, topic_name: Callable[[str], str]
) -> None:
    name = topic_name("out")
    await topics.ensure([WantedTopic(name=name, partitions=1, cluster="edge")])
    assert name not in admin.list_topics(timeout=10).topics


async def test_partitions_are_added_and_never_taken_away(
    topics: KafkaTopics, admin: AdminClient, topic_name: Callable[[str], str]
) -> None:
    name = topic_name("in")
    for number in (2, 4, 1):
        await topics.ensure([WantedTopic(name=name, partitions=number)])
    assert partitions(admin, name) == 4


async def test_several_may_make_the_same_topic(
    kafka_bootstrap: str, admin: AdminClient, topic_name: Callable[[str], str]
) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka_bootstrap)
    wanted = [WantedTopic(name=topic_name("in"), partitions=2)]
    several = [KafkaTopics(settings=settings) for _ in range(3)]
    await asyncio.gather(*(each.ensure(wanted) for each in several))
    assert partitions(admin, wanted[0].name) == 2


async def test_what_was_ready_is_not_asked_for_again(
    topics: KafkaTopics, admin: AdminClient, topic_name: Callable[[str], str]
) -> None:
    wanted = [WantedTopic(name=topic_name("in"), partitions=1)]
    await topics.ensure(wanted)
    admin.delete_topics([wanted[0].name])[wanted[0].name].result(10)
    async with asyncio.timeout(0.05):
        await topics.ensure(wanted)


async def test_a_topic_that_the_broker_refuses_is_an_error(
    topics: KafkaTopics, admin: AdminClient, topic_name: Callable[[str], str]
) -> None:
    name = topic_name("in")
    # The names of metrics do not tell these two apart, so Kafka takes only one of them.
    request = NewTopic(name.replace("-", "."), num_partitions=1)
    admin.create_topics([request])[request.topic].result(10)
    with pytest.raises(TopicRefusedError, match="cannot be made"):
        await topics.ensure([WantedTopic(name=name.replace("-", "_"), partitions=1)])


async def test_kafka_being_away_is_an_error_in_time() -> None:
    away = KafkaTopics(
        settings=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        ready_timeout=timedelta(seconds=0.2),
        request_timeout=timedelta(seconds=0.5),
    )
    with pytest.raises(TopicError, match="did not become ready"):
        await away.ensure([WantedTopic(name="in", partitions=1)])
