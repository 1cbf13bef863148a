"""Training from Kafka, over Keras' own `fit` on the same arrays in memory.

Both run in processes of their own and take turns. What is compared is the time of `fit`,
for the stream together with reading and decoding it. Also: the time from the control
message to the first training step, and where it goes.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from tests.support.platform import RunningPlatform
from tests.support.waiting import eventually

from kafkaml.client import Client
from kafkaml.schemas.datasources import Datasource
from kafkaml.schemas.states import TrainingState
from kafkaml.schemas.trainings import TrainingResult
from kafkaml.sinks import RawSink

EPOCHS = 10
SEED = 7
ONE_STEP = {"steps_per_execution": 1}
BASELINE = Path(__file__).parent / "fit_in_memory.py"
DENSE = Path(__file__).parents[2] / "examples/digits/models/dense.py"
PATIENCE = timedelta(seconds=300)
WIDE = """\
import keras

model = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A model and records for it."""

    name: str
    source: str
    batch_size: int
    rounds: int
    features: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def digits() -> Size:
    """1,797 images of 8 x 8."""
    data = load_digits()
    return Size(
        name="digits",
        source=DENSE.read_text(),
        batch_size=32,
        rounds=5,
        features=data.images.astype(np.uint8),
        labels=data.target.astype(np.uint8),
    )


def mnist() -> Size:
    """60,000 records of 784 values; chance, for only time is measured."""
    chance = np.random.default_rng(SEED)
    return Size(
        name="mnist",
        source=WIDE,
        batch_size=128,
        rounds=3,
        features=chance.integers(0, 256, (60_000, 784), np.uint8),
        labels=chance.integers(0, 10, 60_000, np.uint8),
    )


def measure(platform: RunningPlatform) -> Iterator[str]:
    """Yield the lines of the report."""
    for size in (digits(), mnist()):
        yield f"{size.name}-size, {EPOCHS} epochs"
        with Bench.of(size, platform) as bench:
            yield from bench.measure()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One size, as a stream in Kafka and as arrays in a file."""

    size: Size
    client: Client
    configuration_id: int
    datasource: Datasource
    folder: Path

    @classmethod
    @contextmanager
    def of(cls, size: Size, platform: RunningPlatform) -> Iterator["Bench"]:
        name = f"bench-{size.name}"
        with (
            tempfile.TemporaryDirectory() as folder,
            Client(url=platform.url, token=platform.token) as client,
        ):
            (Path(folder) / "model.py").write_text(size.source)
            np.savez(
                Path(folder) / "stream.npz", features=size.features, labels=size.labels
            )
            model = client.models.create(name=name, source=size.source)
            client.models.wait_checked(model.id, timeout=PATIENCE)
            configuration = client.configurations.create(name=name, model_ids=[model.id])
            yield cls(
                size=size,
                client=client,
                configuration_id=configuration.id,
                datasource=_send(client, configuration.id, size, platform),
                folder=Path(folder),
            )

    def measure(self) -> list[str]:
        """Return the ratios of this size, each a median over rounds in turns."""
        rounds = [self._round() for _ in range(self.size.rounds)]

        def median(name: str) -> float:
            return statistics.median(each[name] for each in rounds)

        def ratio(one: str, two: str) -> float:
            return statistics.median(each[one] / each[two] for each in rounds)

        return [
            f"  fit on arrays in memory         {median('memory'):7.2f} s",
            f"  streamed, one step per call     {median('single'):7.2f} s",
            f"    ratio (goal 1.05)             {ratio('single', 'memory'):7.2f}",
            f"  streamed, automatic steps       {median('automatic'):7.2f} s",
            f"    ratio (goal 0.70)             {ratio('automatic', 'memory'):7.2f}",
            "  with 20 % validation, both",
            f"    ratio (goal 0.75)             {ratio('validated', 'held_back'):7.2f}",
            f"  reading of 5 epochs' time       {median('share_read'):7.3f} (goal 0.05)",
            f"  control message to first step   {median('first_step'):7.2f} s",
            f"  before it: start and build      {median('build'):7.2f} s",
            f"  same weights as in memory       {self._are_weights_equal()}",
        ]

    def _round(self) -> dict[str, float]:
        memory = self._in_memory()["seconds"]
        single = self._streamed(fit=ONE_STEP)
        automatic = self._streamed()
        timings = automatic.timings
        five_epochs = timings.read + timings.fit * 5 / EPOCHS
        return {
            "memory": memory,
            "single": _seconds(single),
            "automatic": _seconds(automatic),
            "held_back": self._in_memory({"validation_split": 0.2})["seconds"],
            "validated": _seconds(self._streamed(validation_rate=0.2)),
            "share_read": timings.read / five_epochs,
            "first_step": timings.first_step,
            "build": timings.build,
        }

    def _are_weights_equal(self) -> bool:
        """Compare weights bit by bit, in the order of the stream and with the same seed."""
        memory = self._in_memory({"shuffle": False}, seed=SEED)
        self._streamed(fit={"shuffle": False}, split="ordered", seed=SEED)
        (newest,) = next(iter(self.client.deployments.list())).trainings
        path = self.client.trainings.download(newest.id, self.folder / "trained.keras")
        return bool(_digest_of_file(path) == memory["weights"])

    def _in_memory(
        self, fit: dict[str, object] | None = None, seed: int | None = None
    ) -> dict[str, Any]:
        wanted = {
            "source": str(self.folder / "model.py"),
            "arrays": str(self.folder / "stream.npz"),
            "epochs": EPOCHS,
            "batch_size": self.size.batch_size,
            "fit": fit or {},
            "seed": seed,
        }
        return _run(str(BASELINE), json.dumps(wanted))

    def _streamed(self, **parameters: Any) -> TrainingResult:
        """Train on the recorded stream, sent again; return the result."""
        deployment = self.client.deployments.create(
            configuration_id=self.configuration_id,
            epochs=EPOCHS,
            batch_size=self.size.batch_size,
            confusion_matrix=False,
            exports=(),
            resources={"cpu": str(os.cpu_count()), "memory": "4Gi"},
            **parameters,
        )
        (training,) = deployment.trainings
        waiting = [TrainingState.WAITING]
        self.client.trainings.wait(training.id, states=waiting, timeout=PATIENCE)
        self.client.datasources.send(self.datasource.id, deployment_id=deployment.id)
        self.client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
        result = self.client.trainings.get(training.id).result
        if result is None:
            raise RuntimeError("the training has no result")
        return result


def _send(
    client: Client, configuration_id: int, size: Size, platform: RunningPlatform
) -> Datasource:
    """Send the records once; return what the control-logger recorded."""
    deployment = client.deployments.create(configuration_id=configuration_id, epochs=1)
    with RawSink(
        topic=f"bench-{size.name}",
        deployment_id=deployment.id,
        bootstrap_servers=platform.bootstrap_servers,
    ) as sink:
        sink.send_many(size.features, size.labels)

    def recorded() -> Datasource | None:
        return next(iter(client.datasources.list(deployment_id=deployment.id)), None)

    datasource = eventually(recorded, PATIENCE)
    client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    return datasource


def _seconds(result: TrainingResult) -> float:
    return result.timings.read + result.timings.fit


def _digest_of_file(path: Path) -> str:
    code = (
        "import json, sys, keras; sys.path.insert(0, sys.argv[1]);"
        "from fit_in_memory import digest_of;"
        "model = keras.saving.load_model(sys.argv[2], compile=False);"
        "print(json.dumps({'weights': digest_of(model)}))"
    )
    found = _run("-c", code, str(BASELINE.parent), str(path))
    return str(found["weights"])


def _run(*arguments: str) -> dict[str, Any]:
    """Run Python in a process of its own; return the JSON of its last line."""
    done = subprocess.run(
        [sys.executable, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE.total_seconds(),
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
