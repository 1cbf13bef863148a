"""How long one prediction takes over an inference, seen by an application."""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, Producer, TopicPartition
from patients import DATA_SCHEMA, Patients
from workbench import TRAINING_SECONDS, CheckFailedError, Platform

from kafkaml.client import Client
from kafkaml.records import feature_codec
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.trainings import Training

PREDICTIONS = 20
ANSWER_SECONDS = 30


def prediction_seconds(
    client: Client, platform: Platform, training: Training, patients: Patients
) -> float:
    """Serve a training; return the median of single predictions, one after the other."""
    name = f"copd-{training.id}-{time.time():.0f}"
    inference = client.inferences.create(
        training_id=training.id, input_topic=f"{name}-in", output_topic=f"{name}-out"
    )
    codec = feature_codec("AVRO", {"data_scheme": json.dumps(DATA_SCHEMA)})
    try:
        client.inferences.wait_serving(inference.id, timeout=TRAINING_SECONDS)
        with _answers(platform, inference) as consumer:
            producer = Producer(_servers(platform))
            seconds = []
            for value in codec.encode(patients.features[: PREDICTIONS + 1]):
                started = time.perf_counter()
                producer.produce(inference.input_topic, value=value)
                _await_answer(consumer)
                seconds.append(time.perf_counter() - started)
            producer.flush(ANSWER_SECONDS)
    finally:
        client.inferences.stop(inference.id)
    return statistics.median(seconds[1:])


@contextmanager
def _answers(platform: Platform, inference: Inference) -> Iterator[Consumer]:
    """Read the output topic of an inference that has answered nothing yet."""
    consumer = Consumer(
        {**_servers(platform), "group.id": "unused", "enable.auto.commit": False}
    )
    topic = inference.output_topic
    found = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
    consumer.assign([TopicPartition(topic, each, 0) for each in found.partitions])
    try:
        yield consumer
    finally:
        consumer.close()


def _await_answer(consumer: Consumer) -> None:
    message = consumer.poll(ANSWER_SECONDS)
    if message is None:
        raise CheckFailedError(f"no answer after {ANSWER_SECONDS} s")
    if message.error() is not None:
        raise CheckFailedError(f"the answers cannot be read: {message.error()}")


def _servers(platform: Platform) -> dict[str, str]:
    return {"bootstrap.servers": platform.bootstrap_servers}
