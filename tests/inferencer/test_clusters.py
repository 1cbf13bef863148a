"""Input on one cluster, answers on another one that asks who comes."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from inferencer.clients import make_consumer
from inferencer.config import InferencerSettings
from inferencer.exceptions import ClusterUnknownError
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.states import FailureReason
from kafkaml_local.ports import free_port
from tests.support.sasl_kafka import PASSWORD, USER, SaslKafka

from .orders import value_of
from .replicas import running_replica
from .topics import Topics, eventually


@pytest.fixture
def other_kafka(tmp_path: Path) -> Iterator[SaslKafka]:
    port = free_port()
    controller = free_port(taken=[port])
    kafka = SaslKafka(directory=tmp_path, port=port, controller_port=controller)
    kafka.sasl_port = free_port(taken=[port, controller])
    kafka.start()
    try:
        kafka.wait_ready(timedelta(seconds=90))
        yield kafka
    finally:
        kafka.stop()


def clusters(kafka: SaslKafka, *, password: str) -> str:
    described = {
        "bootstrap_servers": kafka.sasl_address,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": USER,
        "sasl_password": password,
    }
    return json.dumps({"edge": described})


def test_answers_go_to_the_other_cluster_and_wait_while_it_is_away(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder, other_kafka: SaslKafka
) -> None:
    there = Topics(other_kafka.address)
    there.create(order.output_topic)
    there.create(order.dead_letter_topic)
    topics.send(order.input_topic, [*map(value_of, range(50)), b"short"])
    split = order.model_copy(update={"output_cluster": "edge"})
    right = clusters(other_kafka, password=PASSWORD)
    wrong = clusters(other_kafka, password="other")

    with running_replica(kafka_bootstrap, split, kafka_clusters=wrong) as running:
        eventually(lambda: running.replica.health.trouble is not None)
    assert there.count(order.output_topic) == 0
    with running_replica(kafka_bootstrap, split, kafka_clusters=right) as running:
        there.read(order.output_topic, 50)
        there.read(order.dead_letter_topic, 1)
        other_kafka.stop()
        topics.send(order.input_topic, map(value_of, range(50, 100)))
        eventually(lambda: running.replica.health.trouble is not None)
        other_kafka.start()
        answers = there.read(order.output_topic, 100, seconds=60)
        eventually(lambda: running.replica.health.trouble is None)

    numbers = {orjson.loads(answer.value())["values"][0] for answer in answers}
    assert numbers == set(map(float, range(100)))
    assert topics.count(order.output_topic) == 0


def test_a_cluster_that_the_settings_do_not_name_is_refused(order: InferenceOrder) -> None:
    elsewhere = order.model_copy(update={"input_cluster": "nowhere"})

    with pytest.raises(ClusterUnknownError, match="no cluster 'nowhere'") as caught:
        make_consumer(InferencerSettings(), elsewhere)

    assert caught.value.reason is FailureReason.PLATFORM
