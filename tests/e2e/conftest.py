"""The whole platform, started once for all end-to-end tests."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kafkaml.client import Client

START_SECONDS = 180


class RunningPlatform:
    """The platform of one folder, driven by the commands that a user has."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = self.token = self.bootstrap_servers = ""

    def run(self, command: str) -> str:
        """Run a command of kafkaml-local; return what it prints."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KAFKA_ML_")}
        done = subprocess.run(
            [Path(sys.executable).parent / "kafkaml-local", command],
            check=False,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            env=environment | {"KAFKA_ML_HOME": str(self.home)},
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def up(self) -> None:
        """Start what does not run, and learn where it is."""
        self.run("up")
        lines = [x.removeprefix("export ") for x in self.run("env").splitlines()]
        values = {
            name: value.strip("'\"") for name, _, value in (x.partition("=") for x in lines)
        }
        self.url = values["KAFKA_ML_URL"]
        self.token = values["KAFKA_ML_TOKEN"]
        self.bootstrap_servers = values["KAFKA_ML_BOOTSTRAP_SERVERS"]

    def kill(self, part: str) -> None:
        """End a part as a power cut would."""
        (record,) = self.home.glob(f"**/{part}/process.json")
        process = psutil.Process(json.loads(record.read_text())["pid"])
        os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs([process], timeout=10)

    def kill_workload(self, name: str) -> None:
        """End every process of a workload as a power cut would."""
        victims = [
            process
            for process in psutil.process_iter(["environ", "cmdline"])
            if f"/{name}/" in str(process.info["environ"] or process.info["cmdline"])
        ]
        assert victims, f"{name} does not run"
        for process in victims:
            process.kill()
        psutil.wait_procs(victims, timeout=10)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """All parts, each a process of its own."""
    running = RunningPlatform(tmp_path_factory.mktemp("platform"))
    try:
        running.up()
        yield running
    finally:
        running.run("down")


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    with Client(url=platform.url, token=platform.token) as client:
        yield client
