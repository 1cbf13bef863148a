"""The commands of a user, on a platform of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from kafkaml_local.home import Home
from kafkaml_local.platform import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROGRAM = Path(sys.executable).parent / "kafkaml-local"
PARTS = [
    "log-keeper",
    "postgres",
    "kafka",
    "api",
    "relay",
    "control-logger",
    "orchestrator",
]


class Commands:
    """`kafkaml-local` for one state folder."""

    def __init__(self, home: Path) -> None:
        self.home = Home(home)
        self._environment = os.environ | {"KAFKA_ML_HOME": str(home), "KAFKA_ML_PORT": "1"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        with self.begin(*words) as process:
            output, errors = process.communicate(timeout=240)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PROGRAM, *words],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def processes(self) -> dict[str, psutil.Process | None]:
        return {part.name: part.process.find() for part in Platform(home=self.home).parts}

    def kill(self, name: str) -> None:
        process = self.processes()[name]
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs([process], timeout=10)

    def topics(self) -> set[str]:
        address = f"127.0.0.1:{self.home.ports().kafka}"
        client = AdminClient({"bootstrap.servers": address})
        return set(client.list_topics(timeout=20).topics)

    def produce(self, topic: str) -> None:
        producer = Producer({"bootstrap.servers": f"127.0.0.1:{self.home.ports().kafka}"})
        producer.produce(topic, b"1")
        assert producer.flush(20) == 0


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    commands = Commands(tmp_path / "home")
    yield commands
    commands.run("down")


def test_a_platform_heals_and_keeps_everything(commands: Commands) -> None:
    begun = [commands.begin("up"), commands.begin("up")]
    for process in begun:
        output, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        assert commands.home.secrets().admin_token in output
        assert "/docs" in output
    started = commands.processes()
    assert list(started) == PARTS
    assert all(started.values())
    status = commands.run("status")
    assert status.returncode == 0, status.stderr
    assert status.stdout.count("│ running") == len(PARTS)

    commands.produce("kept")
    for name in ("relay", "postgres"):
        commands.kill(name)
    status = commands.run("status")
    assert status.returncode == 1
    assert "relay has died; its log:" in status.stderr
    assert "postgres has died; its log:" in status.stderr

    assert commands.run("up").returncode == 0
    healed = commands.processes()
    assert healed["relay"] != started["relay"]
    assert healed["kafka"] == started["kafka"]

    assert commands.run("down").returncode == 0
    assert not any(commands.processes().values())

    assert commands.run("up").returncode == 0
    assert "kept" in commands.topics()
