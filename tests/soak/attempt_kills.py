#!/usr/bin/env python
"""Kills whole attempts on a platform at random moments; prints what that cost.

    tests/soak/attempt_kills.py [KILLS] [SEED]

All processes of an attempt die at once, while it starts, waits, reads, fits or hands in.
One training after the other is killed a few times, 100 kills in all by default, and must
come to what an uninterrupted one came to: the same weights bit by bit, the same metrics,
each epoch once. No more may be done again than what follows a checkpoint. About 8 s a kill.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
import numpy as np  # noqa: E402
from tests.e2e.scenarios import CLASSIFIER, deploy, stream  # noqa: E402
from tests.support.platform import RunningPlatform  # noqa: E402

from kafkaml.client import Client  # noqa: E402
from kafkaml.schemas.deployments import Deployment  # noqa: E402
from kafkaml.schemas.states import TrainingState  # noqa: E402
from kafkaml.schemas.trainings import Training, TrainingProgress  # noqa: E402

# Slow to learn and with chance in each step, so that every step counts.
SOURCE = CLASSIFIER.replace("Adam(0.05)", "Adam(1e-4)").replace(
    '"relu"),', '"relu"),\n        keras.layers.Dropout(0.3),'
)
KILLS_PER_TRAINING = 10
EPOCHS = 300
BATCH_SIZE = 4
CHECKPOINT_SECONDS = 1
# For a busy machine: to write a checkpoint, to send it, and to tell how far it is.
LATE_SECONDS = 4.0
PATIENCE_SECONDS = 1800.0
LOOK_SECONDS = 0.05
# When an attempt dies: so many seconds at most after it began to start, to fit, or to end.
MOMENTS = {"start": 3.0, "fit": 4.0, "end": 0.5}
CHANCES = (2, 6, 2)


@dataclass
class Toll:
    """What the kills came to."""

    moments: list[str] = field(default_factory=list)
    redone_seconds: list[float] = field(default_factory=lambda: [0.0])

    def __str__(self) -> str:
        counts = ", ".join(f"{each} {self.moments.count(each)}" for each in MOMENTS)
        redone = self.redone_seconds
        return (
            f"kills={len(self.moments)} ({counts}) redone max={max(redone):.1f} s "
            f"mean={np.mean(redone):.1f} s (interval {CHECKPOINT_SECONDS} s)"
        )


class Attempts:
    """The attempts of one training, and what befalls them."""

    def __init__(
        self, platform: RunningPlatform, client: Client, training_id: int, toll: Toll
    ) -> None:
        self._platform = platform
        self._client = client
        self._id = training_id
        self._toll = toll
        self._killed: Training | None = None  # as it was, until the next one has begun

    def suffer(self, moment: str, seconds: float) -> None:
        """Let the present attempt die so long after a moment; none, if it ends before."""
        training = self._await(lambda seen: _has_come(seen, moment))
        until = time.monotonic() + seconds
        while time.monotonic() < until and not training.state.is_final:
            training = self._look()
        if training.state.is_final:
            return
        try:
            self._platform.kill_workload(f"kafkaml-training-{self._id}-{training.attempt}")
        except AssertionError:
            return  # it has just ended, or not yet begun
        self._toll.moments.append(moment)
        self._killed = self._client.trainings.get(self._id)
        self._await(lambda seen: seen.attempt > training.attempt)

    def _look(self) -> Training:
        time.sleep(LOOK_SECONDS)
        training = self._client.trainings.get(self._id)
        killed = self._killed
        if killed and training.attempt > killed.attempt and training.progress:
            self._killed = None
            if killed.progress:
                self._note(killed.progress, training.progress)
        return training

    def _note(self, last: TrainingProgress, first: TrainingProgress) -> None:
        """Note what the attempt before had done that this one does again."""
        redone = max(0, _steps(last) - _steps(first)) * BATCH_SIZE
        pace = last.records_per_second or first.records_per_second
        if pace:
            self._toll.redone_seconds.append(redone / pace)

    def _await(self, has_come: Callable[[Training], bool]) -> Training:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            training = self._look()
            if training.state.is_final or has_come(training):
                return training
        sys.exit(f"training {self._id} came to nothing in {PATIENCE_SECONDS:g} s")


def main() -> None:
    """Kill as often as told; exit 1 at the first training that is not as it would be."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        platform = RunningPlatform(Path(folder))
        try:
            platform.up()
            with Client(platform.url, platform.token) as client:
                _kill(platform, client, kills, random.Random(seed))
        finally:
            platform.run("down")


def _kill(
    platform: RunningPlatform, client: Client, kills: int, chance: random.Random
) -> None:
    first = _deploy(client)
    stream(platform.bootstrap_servers, first)
    whole = _outcome(client, first.id)
    (source,) = client.datasources.list(deployment_id=first.id)
    toll = Toll()
    while len(toll.moments) < kills:
        deployment = _deploy(client)
        client.datasources.send(source.id, deployment_id=deployment.id)
        attempts = Attempts(platform, client, deployment.trainings[0].id, toll)
        count = min(KILLS_PER_TRAINING, kills - len(toll.moments))
        moments = chance.choices(list(MOMENTS), CHANCES, k=count)
        for moment in sorted(moments, key=list(MOMENTS).index):  # none skips those to come
            attempts.suffer(moment, chance.uniform(0, MOMENTS[moment]))
        is_right = (
            _outcome(client, deployment.id) == whole
            and max(toll.redone_seconds) <= CHECKPOINT_SECONDS + LATE_SECONDS
        )
        print(f"{toll} {'PASS' if is_right else 'FAIL'}", flush=True)
        if not is_right:
            sys.exit(1)


def _deploy(client: Client) -> Deployment:
    return deploy(
        client,
        SOURCE,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        max_attempts=2 * KILLS_PER_TRAINING,
        exports=[],
    )


def _has_come(training: Training, moment: str) -> bool:
    if moment == "end":
        return training.epoch == EPOCHS
    if moment == "fit":
        return training.state is TrainingState.TRAINING and training.progress is not None
    return training.state is not TrainingState.QUEUED


def _outcome(client: Client, deployment_id: int) -> Any:
    """Return what a training came to: weights, curves and metrics."""
    deployment = client.deployments.wait_finished(deployment_id, timeout=PATIENCE_SECONDS)
    training = client.trainings.get(deployment.trainings[0].id)
    curves = client.trainings.metrics(training.id).epochs
    with tempfile.TemporaryDirectory() as folder:
        path = client.trainings.download(training.id, Path(folder) / "model.keras")
        weights = keras.saving.load_model(path).get_weights()
    result = training.result
    measured = result and (result.training, result.validation, result.test)
    return [each.tobytes() for each in weights], curves, measured


def _steps(progress: TrainingProgress) -> int:
    return (progress.epoch - 1) * progress.steps + progress.step


if __name__ == "__main__":
    main()
