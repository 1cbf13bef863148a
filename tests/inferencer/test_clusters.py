"""Input and answers on another cluster, which asks who comes."""

import json
from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest

from inferencer.clients import make_consumer
from inferencer.config import InferencerSettings
from inferencer.exceptions import ClusterUnknownError
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import Guarantee
from kafkaml.schemas.states import FailureReason
from tests.support.certificates import Authority
from tests.support.sasl_kafka import PASSWORD, USER, SaslKafka

from .orders import value_of
from .replicas import running_replica
from .topics import Topics, eventually


@pytest.fixture(scope="module")
def other_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SaslKafka]:
    kafka = SaslKafka(directory=tmp_path_factory.mktemp("kafka") / "edge")
    kafka.start()
    try:
        kafka.wait_ready(timedelta(seconds=180))
        kafka.add_user()
        yield kafka
    finally:
        kafka.stop()


def described(kafka: SaslKafka, protocol: str, **fields: str) -> str:
    """Return the setting that lets a replica in, but for what `fields` say."""
    cluster = {
        "bootstrap_servers": kafka.address_of(protocol),
        "security_protocol": protocol,
    }
    if protocol.startswith("SASL"):
        mechanism = "PLAIN" if protocol == "SASL_PLAINTEXT" else "SCRAM-SHA-512"
        login = {"sasl_username": USER, "sasl_password": PASSWORD}
        cluster |= login | {"sasl_mechanism": mechanism}
    if protocol.endswith("SSL"):
        cluster["ssl_ca_pem"] = kafka.authority.pem
    if protocol == "SSL":
        certificate, key = kafka.authority.certificate("replica")
        cluster |= {"ssl_certificate_pem": certificate, "ssl_key_pem": key}
    kept = {name: value for name, value in (cluster | fields).items() if value}
    return json.dumps({"edge": kept})


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SSL"])
@pytest.mark.parametrize("guarantee", list(Guarantee))
def test_a_cluster_that_speaks_tls_is_read_and_answered(
    kafka_bootstrap: str,
    order: InferenceOrder,
    other_kafka: SaslKafka,
    protocol: str,
    guarantee: Guarantee,
) -> None:
    there = Topics(other_kafka.address)
    for topic in (order.input_topic, order.output_topic, order.dead_letter_topic):
        there.create(topic)
    there.send(order.input_topic, [*map(value_of, range(50)), b"short"])
    both = {"input_cluster": "edge", "output_cluster": "edge", "guarantee": guarantee}
    clusters = described(other_kafka, protocol)

    with running_replica(
        kafka_bootstrap, order.model_copy(update=both), kafka_clusters=clusters
    ):
        answers = there.read_committed(order.output_topic, 50)
        there.read_committed(order.dead_letter_topic, 1)

    numbers = {orjson.loads(answer.value())["values"][0] for answer in answers}
    assert numbers == set(map(float, range(50)))


@pytest.mark.parametrize(
    ("protocol", "fields"),
    [
        ("SASL_SSL", {"sasl_password": "other"}),
        ("SASL_SSL", {"ssl_ca_pem": Authority().pem}),
        ("SSL", {"ssl_certificate_pem": "", "ssl_key_pem": ""}),
    ],
    ids=["password", "authority", "certificate"],
)
def test_nothing_is_committed_where_the_cluster_lets_nobody_in(
    kafka_bootstrap: str,
    topics: Topics,
    order: InferenceOrder,
    other_kafka: SaslKafka,
    protocol: str,
    fields: dict[str, str],
) -> None:
    Topics(other_kafka.address).create(order.output_topic)
    topics.send(order.input_topic, map(value_of, range(10)))
    split = order.model_copy(update={"output_cluster": "edge"})
    clusters = described(other_kafka, protocol, **fields)

    with running_replica(
        kafka_bootstrap, split, kafka_clusters=clusters, delivery_seconds=1.0
    ) as running:
        eventually(lambda: running.replica.health.trouble is not None)

    group = f"kafkaml-inference-{order.inference_id}"
    assert topics.committed(group, order.input_topic) == 0


def test_answers_go_to_the_other_cluster_and_wait_while_it_is_away(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder, other_kafka: SaslKafka
) -> None:
    there = Topics(other_kafka.address)
    there.create(order.output_topic)
    there.create(order.dead_letter_topic)
    topics.send(order.input_topic, [*map(value_of, range(50)), b"short"])
    split = order.model_copy(update={"output_cluster": "edge"})
    clusters = described(other_kafka, "SASL_PLAINTEXT")

    with running_replica(kafka_bootstrap, split, kafka_clusters=clusters) as running:
        there.read(order.output_topic, 50)
        there.read(order.dead_letter_topic, 1)
        other_kafka.stop()
        topics.send(order.input_topic, map(value_of, range(50, 100)))
        eventually(lambda: running.replica.health.trouble is not None)
        other_kafka.start()
        other_kafka.wait_ready(timedelta(seconds=180))
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
