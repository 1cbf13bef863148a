"""The whole platform in a folder of its own, for end-to-end tests and benchmarks."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from kafkaml_local.home import Home
from tests.support.ports import make_home

START_SECONDS = 180


class RunningPlatform:
    """The platform of one folder, driven by the commands that a user has."""

    def __init__(self, home: Path) -> None:
        self.home = home
        make_home(Home(home))
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

    def process(self, part: str) -> psutil.Process:
        """Return the process of a part."""
        (record,) = self.home.glob(f"**/{part}/process.json")
        return psutil.Process(json.loads(record.read_text())["pid"])

    def kill(self, part: str) -> None:
        """End a part as a power cut would."""
        process = self.process(part)
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
