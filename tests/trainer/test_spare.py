"""A trainer that waits for its attempt."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kafkaml.schemas.states import ExitCode
from orchestrator.builders.spare import SpareBuilder
from orchestrator.config import Settings
from tests.orchestrator.builders import workload
from trainer.spare import SpareOrder

PATIENCE = 120
# In place of the trainer: it has a model built, and tells what both see.
BUILDING = """\
import json, os, resource, sys
from pathlib import Path
from trainer.spare import wait_for_order

standby = wait_for_order(60)
from trainer.config import TrainerSettings
from trainer.messages import Build
from trainer.sandbox.model_process import ModelProcess
from trainer.sandbox.sandbox import Sandbox, child_environment

folder = Path(sys.argv[1])
environment = child_environment(os.environ, directory=folder, threads=1, gpus=0)
build = Build(source=sys.argv[2], seed=1, memory_bytes=None, try_saving=False)
with Sandbox(directory=folder, environment=environment, standby=standby) as sandbox:
    ModelProcess(sandbox=sandbox, order=build, settings=TrainerSettings()).build()
print(json.dumps({
    "token": os.environ["KAFKA_ML_TOKEN"],
    "cpu": resource.getrlimit(resource.RLIMIT_CPU),
    "input": sys.stdin.read(),
    "tensorflow": "tensorflow" in sys.modules,
    "model": (folder / "seen").read_text(),
}))
"""
# The command that a fork keeps is that of the process which has imported TensorFlow.
SOURCE = """\
import os
import keras

model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
with open("seen", "w") as seen:
    print(open("/proc/self/cmdline").read(), dict(os.environ), file=seen)
"""


def test_an_order_makes_an_attempt_of_it_with_tensorflow_loaded(tmp_path: Path) -> None:
    order = SpareBuilder(settings=Settings()).order(
        workload(cpu_seconds=3000), {"KAFKA_ML_TOKEN": "kml_secret"}
    )
    done = subprocess.run(
        [sys.executable, "-c", BUILDING, str(tmp_path), SOURCE],
        input=order,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    assert (seen["token"], seen["input"]) == ("kml_secret", "")
    assert seen["cpu"] == [3000, 3005]
    assert not seen["tensorflow"]
    assert "preload" in seen["model"]
    assert "kml_secret" not in seen["model"]


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"{}", b'{"environment": {}, "cpu_seconds": 7}', b'{"environment": {"KAF'],
)
def test_what_is_no_order_is_not_taken_for_one(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"the order|Expecting|Unterminated"):
        SpareOrder.from_line(line)


@pytest.mark.parametrize(
    ("content", "seconds"),
    [(b'{"environment": {"KAFKA_ML_TOKEN": "kml_', 600), (None, 0.2)],
    ids=["half of one", "too late"],
)
def test_without_an_order_it_ends_and_says_so(
    content: bytes | None, seconds: float
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer.main", "--spare", str(seconds)],
        stdin=subprocess.PIPE,
    )
    assert process.stdin is not None
    with process:
        if content is not None:
            process.stdin.write(content)
            process.stdin.close()
        assert process.wait(PATIENCE) == ExitCode.NO_ORDER
