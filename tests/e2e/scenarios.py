"""Small models and streams that the end-to-end tests share."""

import itertools
import os
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from kafkaml.client import Client
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.states import TrainingState
from kafkaml.sinks import RawSink

PATIENCE = timedelta(seconds=120)

CLASSIFIER = """\
import keras

model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ]
)
model.compile(
    keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
)
"""

_numbers = itertools.count(1)


def unique(name: str) -> str:
    """Return a name that no other test of this run uses."""
    return f"{name}-{os.getpid()}-{next(_numbers)}"


def separable(count: int, seed: int = 3) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return `(count, 4)` points around three corners, and the corner of each."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count).astype(np.uint8)
    corners = np.eye(3, 4, dtype=np.float32) * 4
    points = corners[labels] + random.normal(0, 0.3, (count, 4)).astype(np.float32)
    return points.astype(np.float32), labels


def deploy(client: Client, source: str = CLASSIFIER, **parameters: object) -> Deployment:
    """Create a model, its configuration and a deployment; return the last."""
    name = unique("corners")
    model = client.models.create(name=name, source=source)
    client.models.wait_checked(model.id, timeout=PATIENCE)
    configuration = client.configurations.create(name=name, model_ids=[model.id])
    return client.deployments.create(configuration_id=configuration.id, **parameters)  # type: ignore[arg-type]


def wait_for(client: Client, deployment: Deployment, *states: TrainingState) -> None:
    """Wait until the deployment's training is in one of the states."""
    training = deployment.trainings[0]
    client.trainings.wait(training.id, states=list(states), timeout=PATIENCE)


def stream(bootstrap: str, deployment: Deployment, count: int = 300) -> str:
    """Send separable points to a deployment; return the topic."""
    points, labels = separable(count)
    topic = unique("corners")
    with RawSink(
        topic=topic,
        deployment_id=deployment.id,
        bootstrap_servers=bootstrap,
        partitions=2,
        validation_rate=0.1,
        test_rate=0.2,
    ) as sink:
        sink.send_many(points, labels)
    return topic
