"""The paper's training in its three ways, each measured from outside and from inside."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypedDict, Unpack

from patients import DATA_SCHEMA, LABEL_SCHEMA, Patients
from workbench import TRAINING_SECONDS, Platform, finished, wait_until_waiting

from kafkaml.client import Client
from kafkaml.schemas.deployments import Deployment
from kafkaml.schemas.trainings import Training
from kafkaml.sinks import AvroSink

BATCH_SIZE = 10
TEST_RATE = 0.2
MODEL = Path(__file__).parent / "models" / "paper.py"
RESOURCES = {"cpu": "1", "memory": "1536Mi"}

_IN_MEMORY = Path(__file__).parent / "in_memory.py"


class Variation(TypedDict, total=False):
    """What can differ from the paper's training."""

    test_rate: float
    folds: int
    learning_rate: float


@dataclass(frozen=True)
class Times:
    """Seconds of a training.

    `first_step`: from the data being opened, or announced, to the end of the first step.
    `read_and_fit`: what the paper calls the training's latency. `fit`: the part of it
    that Keras takes. `end_to_end`: from the order, or the start of the process, to the
    result.
    """

    first_step: float
    fit: float
    read_and_fit: float
    end_to_end: float

    @classmethod
    def median(cls, rounds: Sequence[Self]) -> Self:
        """Return the median of each."""
        return cls(
            *(
                statistics.median(getattr(each, name) for each in rounds)
                for name in ("first_step", "fit", "read_and_fit", "end_to_end")
            )
        )


@dataclass(frozen=True)
class InMemory:
    """What plain Keras came to in a process of its own; `predict` in seconds."""

    times: Times
    accuracy: float
    predict: float


def fit_in_memory(data: Path, *, epochs: int) -> InMemory:
    """Fit on the file's patients as arrays."""
    arguments = [data, MODEL, epochs, BATCH_SIZE, TEST_RATE]
    started = time.perf_counter()
    printed = subprocess.check_output(  # noqa: S603  our own program
        [sys.executable, _IN_MEMORY, *(str(each) for each in arguments)],
        text=True,
        timeout=TRAINING_SECONDS,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    end_to_end = time.perf_counter() - started
    report = json.loads(printed.splitlines()[-1])
    read_and_fit = report["read"] + report["fit"]
    times = Times(report["first_step"], report["fit"], read_and_fit, end_to_end)
    return InMemory(times, report["accuracy"], statistics.median(report["predict"]))


def fit_from_stream(
    client: Client,
    platform: Platform,
    configuration_id: int,
    patients: Patients,
    *,
    epochs: int,
) -> tuple[Times, Training]:
    """Deploy the model, send the patients as a stream, and wait for the result."""
    started = time.perf_counter()
    deployment = deploy(client, configuration_id, epochs=epochs)
    wait_until_waiting(client, deployment)
    stream(platform, deployment.id, patients)
    training = finished(client, deployment.id)
    return times_of(training, end_to_end=time.perf_counter() - started), training


def deploy(
    client: Client,
    configuration_id: int,
    *,
    epochs: int,
    **varied: Unpack[Variation],
) -> Deployment:
    """Deploy the model as the paper trains it, but for what is varied."""
    rate = varied.get("learning_rate")
    return client.deployments.create(
        configuration_id,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        validation_rate=0.0,
        test_rate=varied.get("test_rate", TEST_RATE),
        split="stratified",
        folds=varied.get("folds"),
        fit={} if rate is None else {"learning_rate": rate},
        resources=RESOURCES,
    )


def stream(platform: Platform, deployment_id: int, patients: Patients) -> str:
    """Send the patients as Avro, each label in its record's key; return the topic."""
    topic = f"copd-{deployment_id}"
    with AvroSink(
        topic=topic,
        deployment_id=deployment_id,
        data_schema=DATA_SCHEMA,
        label_schema=LABEL_SCHEMA,
        bootstrap_servers=platform.bootstrap_servers,
        test_rate=TEST_RATE,
        description="Exasens: patients with COPD, and healthy ones",
    ) as sink:
        sink.send_many(patients.features, patients.diagnoses)
    return topic


def times_of(training: Training, *, end_to_end: float) -> Times:
    """Return where the time of a training went."""
    if training.result is None:
        raise ValueError(f"training {training.id} has no result")
    taken = training.result.timings
    return Times(taken.first_step, taken.fit, taken.read + taken.fit, end_to_end)


def send_again(
    client: Client, datasource_id: int, deployments: Iterable[Deployment]
) -> list[Training]:
    """Train each deployment on the recorded stream; return the trainings."""
    deployments = list(deployments)
    for deployment in deployments:
        client.datasources.send(datasource_id, deployment_id=deployment.id)
    return [finished(client, deployment.id) for deployment in deployments]
