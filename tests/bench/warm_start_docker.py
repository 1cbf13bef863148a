#!/usr/bin/env python
"""How soon a training on Docker takes its first step, in one that waited and a new one.

    make images && tests/bench/warm_start_docker.py [ROUNDS]

The whole platform of docker-compose.yml, in a project of its own. The time runs from the
request that makes the deployment; its stream is announced at once. Cold trainings ask for
less memory than a container that waits has, which is all that they differ in. They take
turns with warm ones.
"""

import os
import secrets
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.compose.project import SECRETS, ComposeProject, docker  # noqa: E402
from tests.e2e.scenarios import deploy, stream  # noqa: E402
from tests.support.waiting import eventually  # noqa: E402

from kafkaml.client import Client  # noqa: E402
from kafkaml.schemas.deployments import Resources  # noqa: E402
from kafkaml.schemas.states import TrainingState  # noqa: E402

ROUNDS = 5
GOAL = 0.3
PATIENCE = timedelta(minutes=5)
LOOK_SECONDS = 0.02
COLD, WARM = Resources(memory="1000Mi"), Resources(memory="2Gi")
POINTS = ("starting", "built", "first step")

Seconds = dict[str, float]


class Bench:
    """A platform on which one model is trained again and again."""

    def __init__(self, platform: ComposeProject, client: Client) -> None:
        self._platform = platform
        self._client = client
        deployment = deploy(client, epochs=1)
        stream(platform.bootstrap_servers, deployment)
        client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
        self._configuration_id = deployment.configuration_id
        (source,) = client.datasources.list(deployment_id=deployment.id)
        self._datasource_id = source.id

    def train(self, resources: Resources) -> Seconds:
        """Return the seconds from the request to each point."""
        (spare,) = eventually(lambda: self._platform.spares() or None, PATIENCE)
        eventually(lambda: _is_idle(spare) or None, PATIENCE)
        begin = time.monotonic()
        deployment = self._client.deployments.create(
            configuration_id=self._configuration_id, epochs=1, resources=resources
        )
        self._client.datasources.send(self._datasource_id, deployment_id=deployment.id)
        (training,) = deployment.trainings
        times = self._watch(training.id, begin)
        (container,) = self._platform.workloads(f"kafkaml-training-{training.id}-1")
        assert (container == spare) == (resources is WARM), "it is not what it ought to be"
        self._client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
        return times

    def _watch(self, training_id: int, begin: float) -> Seconds:
        times: Seconds = {}
        while "first step" not in times:
            assert time.monotonic() < begin + PATIENCE.total_seconds(), times
            training = self._client.trainings.get(training_id)
            assert training.failure is None, training.failure
            seconds = time.monotonic() - begin
            if training.state is not TrainingState.QUEUED:
                times.setdefault("starting", seconds)
            if training.state not in {TrainingState.QUEUED, TrainingState.STARTING}:
                times.setdefault("built", seconds)
            if training.progress or training.epoch or training.result:
                times["first step"] = seconds
            time.sleep(LOOK_SECONDS)
        return times


def _is_idle(container: str) -> bool:
    """Tell whether it has imported what it imports."""
    form = "{{.CPUPerc}} {{.MemUsage}}"
    share, used = docker("stats", "--no-stream", "--format", form, container).split()[:2]
    return float(share.rstrip("%")) < 1 and used.endswith("MiB") and float(used[:-3]) > 100


def measure(bench: Bench, rounds: int) -> list[str]:
    """Return the lines of the report."""
    cold, warm = [], []
    for _ in range(rounds):
        cold.append(bench.train(COLD))
        warm.append(bench.train(WARM))
        print("cold", cold[-1], "warm", warm[-1], file=sys.stderr, flush=True)
    ratio = _median(warm, "first step") / _median(cold, "first step")
    lines = [_line(point, cold, warm) for point in POINTS]
    return [*lines, f"request to first step, warm / cold: {ratio:.2f} (goal: {GOAL})"]


def _line(point: str, cold: list[Seconds], warm: list[Seconds]) -> str:
    figures = f"cold {_median(cold, point):6.2f} s   warm {_median(warm, point):6.2f} s"
    return f"request to: {point:12} {figures}"


def _median(rounds: list[Seconds], point: str) -> float:
    return statistics.median(each[point] for each in rounds)


def main(rounds: int) -> None:
    """Measure on a platform that is removed afterwards."""
    settings = {name: secrets.token_hex(16) for name in SECRETS}
    platform = ComposeProject(name=f"kafka-ml-bench-{os.getpid()}", settings=settings)
    try:
        platform.up()
        with Client(url=platform.url, token=platform.token) as client:
            print("\n".join(measure(Bench(platform, client), rounds)))
    finally:
        platform.run("down", "--volumes", "--remove-orphans")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
