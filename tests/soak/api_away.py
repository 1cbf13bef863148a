#!/usr/bin/env python
"""Takes the API away from a platform whose trainings are at different points.

    tests/soak/api_away.py [SECONDS] [POINT ...]

600 seconds by default. One training is starting, one waits for its stream ("waiting"), one
is in the midst of its fit ("fit"), and one comes to its end ("end"), all when the API is
killed; or only those at the points that are named. Each has to finish at its first attempt,
with all of its epochs. Exit 1 if one does not.
"""

import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.e2e.scenarios import CLASSIFIER, deploy, stream, wait_for  # noqa: E402
from tests.support.platform import RunningPlatform  # noqa: E402

from kafkaml.client import Client  # noqa: E402
from kafkaml.schemas.deployments import Deployment  # noqa: E402
from kafkaml.schemas.states import TrainingState  # noqa: E402

POINTS = ("fit", "end", "waiting", "starting")
PATIENCE = timedelta(minutes=10)
BATCHES = 9  # of 32, of the share for training of 300 records

SLOW = CLASSIFIER.replace(
    "model.compile",
    """
import tensorflow as tf
import time

def loss(labels, outputs):
    tf.py_function(lambda: time.sleep(PAUSE), [], [])
    return keras.losses.sparse_categorical_crossentropy(labels, outputs)

model.compile""",
).replace('"sparse_categorical_crossentropy"', "loss")


def main() -> None:
    """Kill the API for so long, and see what came of the trainings."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    points = sys.argv[2:] or list(POINTS)
    if unknown := set(points) - set(POINTS):
        sys.exit(f"no point is called {min(unknown)!r}; there are {', '.join(POINTS)}")
    with tempfile.TemporaryDirectory() as folder:
        platform = RunningPlatform(Path(folder))
        try:
            platform.up()
            with Client(platform.url, platform.token, retry_for=PATIENCE) as client:
                failed = _take_away(platform, client, seconds, points)
        finally:
            platform.run("down")
    sys.exit(failed)


def _take_away(
    platform: RunningPlatform, client: Client, seconds: float, points: list[str]
) -> bool:
    # One epoch takes a tenth of the outage, or a twentieth: its fit ends meanwhile.
    ways = {
        "fit": lambda: _deploy(client, seconds * 2),
        "end": lambda: _deploy(client, seconds / 2),
        "waiting": lambda: deploy(client, epochs=5),
    }
    places = {point: ways[point]() for point in points if point in ways}
    for deployment in places.values():
        wait_for(client, deployment, TrainingState.WAITING)
    fitted = [place for point, place in places.items() if point != "waiting"]
    for deployment in fitted:
        stream(platform.bootstrap_servers, deployment)
    for deployment in fitted:
        wait_for(client, deployment, TrainingState.TRAINING)
    if "starting" in points:
        places["starting"] = deploy(client, epochs=5)
        wait_for(client, places["starting"], TrainingState.STARTING, TrainingState.WAITING)
    platform.kill("api")
    print(f"the API is away for {seconds:g} s", flush=True)
    for deployment in places.values():
        if deployment not in fitted:
            stream(platform.bootstrap_servers, deployment)
    time.sleep(seconds)
    platform.up()
    verdicts = [_is_right(client, name, each) for name, each in places.items()]
    return not all(verdicts)


def _deploy(client: Client, fit_seconds: float) -> Deployment:
    epochs = 20
    pause = fit_seconds / epochs / BATCHES
    return deploy(client, SLOW.replace("PAUSE", f"{pause:.4f}"), epochs=epochs)


def _is_right(client: Client, name: str, deployment: Deployment) -> bool:
    finished = client.deployments.wait_finished(deployment.id, timeout=timedelta(hours=1))
    (training,) = finished.trainings
    epochs = [each.epoch for each in client.trainings.metrics(training.id).epochs]
    is_right = (
        training.state is TrainingState.FINISHED
        and training.attempt == 1
        and epochs == list(range(1, training.epochs + 1))
    )
    verdict = "PASS" if is_right else "FAIL"
    print(
        f"{name:12} {training.state} at attempt {training.attempt}, "
        f"{len(epochs)} of {training.epochs} epochs  {verdict}",
        flush=True,
    )
    return is_right


if __name__ == "__main__":
    main()
