"""Any part may be killed at any moment: nothing is lost, nothing is doubled."""

import json
from collections import Counter

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kafkaml.client import Client
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.states import TrainingState
from tests.e2e.scenarios import (
    CLASSIFIER,
    PATIENCE,
    deploy,
    separable,
    stream,
    unique,
    wait_for,
)
from tests.support.platform import RunningPlatform
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PARTS = ("relay", "orchestrator", "control-logger", "api")


def test_every_part_may_be_killed_while_a_training_is_on_its_way(
    platform: RunningPlatform, client: Client
) -> None:
    platform.kill("orchestrator")
    platform.kill("relay")
    deployment = _deploy_unchecked(client)
    platform.up()
    wait_for(client, deployment, TrainingState.WAITING)
    for part in PARTS:
        platform.kill(part)
    topic = stream(platform.bootstrap_servers, deployment)
    platform.up()
    finished = client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    training = finished.trainings[0]
    assert training.attempt == 1, "the trainer was found again, not started twice"
    epochs = [each.epoch for each in client.trainings.metrics(training.id).epochs]
    assert epochs == list(range(1, training.epochs + 1))
    sources = [
        source
        for source in client.datasources.list(deployment_id=deployment.id)
        if topic in json.dumps(source.control)
    ]
    assert len(sources) == 1


def _deploy_unchecked(client: Client) -> Deployment:
    name = unique("orphan")
    model = client.models.create(name=name, source=CLASSIFIER)
    configuration = client.configurations.create(name=name, model_ids=[model.id])
    return client.deployments.create(configuration_id=configuration.id, epochs=5)


def test_a_training_whose_process_died_gets_a_new_attempt(
    platform: RunningPlatform, client: Client
) -> None:
    deployment = deploy(client, epochs=400, batch_size=4)
    training_id = deployment.trainings[0].id
    stream(platform.bootstrap_servers, deployment)

    def two_epochs_done() -> bool | None:
        return client.trainings.get(training_id).epoch >= 2 or None

    eventually(two_epochs_done, PATIENCE)
    platform.kill_workload(f"kafkaml-training-{training_id}-1")

    def second_attempt() -> bool | None:
        training = client.trainings.get(training_id)
        return (training.attempt == 2 and training.epoch >= 1) or None

    eventually(second_attempt, PATIENCE)
    client.trainings.stop(training_id)


def test_a_killed_replica_leaves_no_record_unanswered(
    platform: RunningPlatform, client: Client
) -> None:
    deployment = deploy(client, epochs=3)
    stream(platform.bootstrap_servers, deployment)
    finished = client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    inference = client.inferences.create(
        training_id=finished.trainings[0].id,
        replicas=2,
        input_topic=unique("in"),
        output_topic=unique("out"),
    )
    client.inferences.wait_serving(inference.id, timeout=PATIENCE)
    sent = _ask(platform, inference, 3000)
    platform.kill_workload(f"kafkaml-inference-{inference.id}-1/0")
    sent += _ask(platform, inference, 3000)

    def all_answered() -> Counter[str] | None:
        answered = _sources(platform, inference)
        return answered if set(sent) <= set(answered) else None

    answered = eventually(all_answered, PATIENCE)
    assert set(answered) == set(sent)
    client.inferences.stop(inference.id)


def _ask(platform: RunningPlatform, inference: Inference, count: int) -> list[str]:
    producer = Producer({"bootstrap.servers": platform.bootstrap_servers})
    coordinates: list[str] = []

    def delivered(error: object, message: object) -> None:
        assert error is None
        place = (message.topic(), message.partition(), message.offset())  # type: ignore[attr-defined]
        coordinates.append("/".join(map(str, place)))

    points, _ = separable(count)
    for index, point in enumerate(points):
        producer.produce(
            inference.input_topic,
            value=np.ascontiguousarray(point).tobytes(),
            partition=index % 2,
            on_delivery=delivered,
        )
        producer.poll(0)
    assert producer.flush(30) == 0
    return coordinates


def _sources(platform: RunningPlatform, inference: Inference) -> Counter[str]:
    consumer = Consumer(
        {"bootstrap.servers": platform.bootstrap_servers, "group.id": unique("reader")}
    )
    topic = inference.output_topic
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, each, 0) for each in partitions])
    found: Counter[str] = Counter()
    while messages := consumer.consume(1000, timeout=1):
        for message in messages:
            headers = dict(message.headers() or [])
            found[headers["kafkaml-source"].decode()] += 1
    consumer.close()
    return found
