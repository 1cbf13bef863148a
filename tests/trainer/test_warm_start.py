"""Trainings that are forked from a process with TensorFlow imported."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import psutil
import pytest

from kafkaml.schemas.workloads import WorkloadKind
from orchestrator.config import Settings
from orchestrator.executors.process import ProcessExecutor
from orchestrator.executors.warm_parent import WarmParent
from tests.orchestrator.builders import workload
from trainer.messages import MODEL_FILE

ROOT = Path(__file__).parents[2]
PATIENCE = 280.0

# In place of the trainer: a training without Kafka and API, once for each name.
TRAINING = f"""\
import os, random, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.trainer.kills import SOURCE, train_killed
from tests.trainer.test_warm_start import SPY
from trainer.sandbox.standby import Standby

variable = os.environ.get("KAFKA_ML_STANDBY_DESCRIPTOR")
standby = Standby.inherited(int(variable)) if variable else None
for name in sys.argv[2:]:
    folder = Path(sys.argv[1], name)
    run = train_killed(
        folder,
        kills=0,
        chance=random.Random(),
        source=SOURCE + SPY,
        standby=standby,
        epochs=10,
    )
    (folder / "outcome").write_text(repr((run.outcome, run.epochs)))
"""
# A part of the source of the model: what it sees.
SPY = """
import json, os, sys
files = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
with open("seen", "w") as seen:
    json.dump({
        "environment": dict(os.environ),
        "first environment": open("/proc/self/environ").read(),
        "files": [os.readlink(each) for each in files if os.path.exists(each)],
        "leads": os.getpid() == os.getsid(0) == os.getpgid(0),
        "warm": "warm_parent" in open("/proc/self/cmdline").read(),
    }, seen)
"""


@pytest.fixture(scope="module")
def warm_parent() -> Iterator[WarmParent]:
    parent = WarmParent(command=Settings().warm_command, idle=timedelta(minutes=5))
    yield parent
    parent.close()


def train(folder: Path, parent: WarmParent, *names: str) -> None:
    """Train below a runner, as the process executor does it."""
    asyncio.run(_train(folder, parent, names))


async def _train(folder: Path, parent: WarmParent, names: Sequence[str]) -> None:
    command = [sys.executable, "-I", "-c", TRAINING, str(folder), *names]
    executor = ProcessExecutor(
        directory=folder / "workloads",
        commands=dict.fromkeys(WorkloadKind, command),
        warm_parent=parent,
    )
    wanted = workload(memory="4Gi")
    await executor.start(wanted, 0, {"KAFKA_ML_TOKEN": "kml_secret"})
    deadline = time.monotonic() + PATIENCE
    while (replica := (await executor.list())[0]).is_running:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert replica.exit_code == 0, (await executor.log(wanted.name, 0)).decode()


def seen_in(folder: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads((folder / "seen").read_text()))


def test_a_warm_training_is_the_cold_one_bit_by_bit(
    warm_parent: WarmParent, tmp_path: Path
) -> None:
    train(tmp_path / "cold", warm_parent, "first")  # it is on its way meanwhile
    train(tmp_path / "warm", warm_parent, "first", "second")
    cold, warm = tmp_path / "cold/first", tmp_path / "warm/first"
    again = tmp_path / "warm/second"
    assert [seen_in(each)["warm"] for each in (cold, warm, again)] == [False, True, True]
    for other in (warm, again):
        assert (other / "outcome").read_text() == (cold / "outcome").read_text()
        weights = [
            keras.saving.load_model(x / MODEL_FILE).get_weights() for x in (cold, other)
        ]
        assert all(np.array_equal(*pair) for pair in zip(*weights, strict=True))
    ours, theirs = seen_in(warm), seen_in(cold)
    assert len(ours["files"]) == len(theirs["files"])
    assert ours["environment"].keys() == theirs["environment"].keys()
    assert "kml_secret" not in json.dumps(ours)
    assert ours["leads"]


def start(parent: WarmParent, folder: Path) -> object:
    descriptor = os.open(os.devnull, os.O_RDWR)
    try:
        return parent.start(
            [sys.executable], environment={}, directory=str(folder), lock=descriptor, log=2
        )
    finally:
        os.close(descriptor)


def test_without_a_parent_there_is_no_warm_start(tmp_path: Path) -> None:
    parent = WarmParent(command=[sys.executable, "-c", ""], idle=timedelta(minutes=5))
    try:
        for _ in range(3):
            assert start(parent, tmp_path) is None
            time.sleep(0.2)
    finally:
        parent.close()
    missing = WarmParent(command=["/missing"], idle=timedelta(minutes=5))
    assert start(missing, tmp_path) is None
    missing.close()


def test_a_parent_that_is_idle_ends(tmp_path: Path) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    parent = WarmParent(command=sleeping, idle=timedelta(seconds=0.3))
    assert start(parent, tmp_path) is None
    [process] = [each for each in psutil.Process().children() if each.cmdline() == sleeping]
    process.wait(30)
    parent.close()
