"""Training of the demo's dense model from Kafka, over the same `fit` on arrays in memory.

Also: the time from the control message to the first training step, and where it goes.
"""

import json
import statistics
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from tests.support.platform import RunningPlatform

from kafkaml.client import Client
from kafkaml.schemas.states import TrainingState
from kafkaml.schemas.trainings import TrainingResult
from kafkaml.sinks import RawSink

ROUNDS = 5
EPOCHS = 10
BATCH_SIZE = 32
SOURCE = Path(__file__).parents[2] / "examples/digits/models/dense.py"
BASELINE = Path(__file__).parent / "fit_in_memory.py"
PATIENCE = timedelta(seconds=180)


def measure(platform: RunningPlatform) -> list[str]:
    """Return the lines of the report."""
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    memory, streamed, results = [], [], []
    with Client(url=platform.url, token=platform.token) as client:
        model = client.models.create(name="bench-digits", source=SOURCE.read_text())
        client.models.wait_checked(model.id, timeout=PATIENCE)
        configuration = client.configurations.create(
            name="bench-digits", model_ids=[model.id]
        )
        for round_number in range(ROUNDS):
            memory.append(_fit_in_memory())
            result = _train(
                client, configuration.id, platform, images, labels, round_number
            )
            results.append(result)
            streamed.append(result.timings.read + result.timings.fit)
    ratio = statistics.median(one / two for one, two in zip(streamed, memory, strict=True))
    return [
        f"fit on arrays in memory       {statistics.median(memory):8.2f} s",
        f"read from Kafka and fit       {statistics.median(streamed):8.2f} s",
        f"ratio streamed / memory       {ratio:.2f}",
        f"control message to first step {_median(results, 'first_step'):8.2f} s",
        f"  of it reading and decoding  {_median(results, 'read'):8.2f} s",
        f"before it: start and build    {_median(results, 'build'):8.2f} s",
    ]


def _median(results: list[TrainingResult], name: str) -> float:
    seconds: list[float] = [getattr(each.timings, name) for each in results]
    return statistics.median(seconds)


def _train(
    client: Client,
    configuration_id: int,
    platform: RunningPlatform,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    round_number: int,
) -> TrainingResult:
    deployment = client.deployments.create(
        configuration_id=configuration_id,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        confusion_matrix=False,
    )
    training = deployment.trainings[0]
    client.trainings.wait(training.id, states=[TrainingState.WAITING], timeout=PATIENCE)
    with RawSink(
        topic=f"bench-digits-{round_number}",
        deployment_id=deployment.id,
        bootstrap_servers=platform.bootstrap_servers,
    ) as sink:
        sink.send_many(images, labels)
    client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    result = client.trainings.get(training.id).result
    if result is None:
        raise RuntimeError("the training has no result")
    return result


def _fit_in_memory() -> float:
    """Return the seconds of `fit` on arrays, in a process of its own."""
    done = subprocess.run(
        [sys.executable, BASELINE, SOURCE, str(EPOCHS), str(BATCH_SIZE)],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE.total_seconds(),
    )
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])
