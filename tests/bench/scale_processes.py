"""The processes of the scale benchmark, seen from the one that measures."""

import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.api_process import ORCHESTRATOR

HERE = Path(__file__).parent
STOP_SECONDS = 30
MOST_PASSES = 500
QUIET_PASSES = 12
PASS_INTERVAL = 2.0

Pass = dict[str, Any]


class Cluster:
    """A cluster in memory; `room` is how many pods it has a place for."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        assert process.stdout is not None
        config = json.loads(process.stdout.readline())
        self.url: str = config["clusters"][0]["cluster"]["server"]
        self.token: str = config["users"][0]["user"]["token"]
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(config))

    @classmethod
    @contextmanager
    def running(cls, folder: Path, *, room: int | None = None) -> "Iterator[Cluster]":
        options = [] if room is None else ["--room", str(room)]
        with _process("scale_cluster.py", *options) as process:
            yield cls(process, folder)

    def requests(self) -> "Counter[str]":
        """Return how often it was asked, by method."""
        with urllib.request.urlopen(f"{self.url}/requests", timeout=10) as answer:
            return Counter(json.load(answer))


class Orchestrator:
    """An orchestrator that has its passes when it is told to."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @classmethod
    @contextmanager
    def running(cls, cluster: Cluster, *, api: str) -> "Iterator[Orchestrator]":
        environment = {
            "KUBECONFIG": str(cluster.kubeconfig),
            "KAFKA_ML_URL": api,
            "KAFKA_ML_TOKEN": ORCHESTRATOR,
        }
        with _process("scale_orchestrator.py", **environment) as process:
            yield cls(process)

    def settle(self) -> list[Pass]:
        """Run passes one after the other until nothing is left to start or to say."""
        return self._run(MOST_PASSES, 0)

    def rest(self) -> list[Pass]:
        """Run passes as often as a platform does."""
        return self._run(QUIET_PASSES, PASS_INTERVAL)

    def _run(self, passes: int, rest: float) -> list[Pass]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{passes} {rest}\n")
        self._process.stdin.flush()
        lines = []
        while (line := json.loads(self._process.stdout.readline())) is not None:
            lines.append(line)
        return lines


@contextmanager
def _process(
    script: str, *options: str, **environment: str
) -> Iterator["subprocess.Popen[str]"]:
    """Run a script that ends when its input does."""
    process = subprocess.Popen(
        [sys.executable, HERE / script, *options],
        env={k: v for k, v in os.environ.items() if not k.startswith("KAFKA_ML_")}
        | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        try:
            process.communicate(timeout=STOP_SECONDS)
        finally:
            process.kill()
            process.wait(STOP_SECONDS)
