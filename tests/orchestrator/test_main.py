"""The whole process: killed, ended, started again, and never with Kafka."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from kafkaml.schemas.workloads import Workload, WorkloadList
from orchestrator.executors.base import Replica
from orchestrator.executors.process import stop_all
from orchestrator.executors.workloads_directory import WorkloadsDirectory

from .builders import workload

SCRIPT = "import os, time; print(os.environ['KAFKA_ML_TOKEN']); time.sleep(60)"
TRAINING = workload()


class WorkloadsServer(ThreadingHTTPServer):
    """Answers what the orchestrator asks."""

    wanted: list[Workload]
    observations: list[dict[str, object]]


class Handler(BaseHTTPRequestHandler):
    server: WorkloadsServer

    def do_GET(self) -> None:
        self._answer(200, WorkloadList(items=self.server.wanted).model_dump_json())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/token"):
            self._answer(201, json.dumps({"token": "of-the-attempt"}))
        else:
            self.server.observations.append(json.loads(body))
            self._answer(204, "")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(204, "")

    def log_message(self, *_: object) -> None:
        return

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def server() -> Iterator[WorkloadsServer]:
    server = WorkloadsServer(("127.0.0.1", 0), Handler)
    server.wanted, server.observations = [TRAINING], []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "workloads"
    stop_all(tmp_path / "workloads", timeout=timedelta(0))


@contextmanager
def orchestrator(
    server: WorkloadsServer, directory: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an orchestrator that has made its first pass."""
    heartbeat = directory.parent / uuid4().hex
    environment = os.environ | {
        "KAFKA_ML_URL": f"http://127.0.0.1:{server.server_port}",
        "KAFKA_ML_TOKEN": "of-the-orchestrator",
        "KAFKA_ML_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA_ML_WORKLOADS_DIRECTORY": str(directory),
        "KAFKA_ML_TRAINER_COMMAND": json.dumps([sys.executable, "-u", "-c", SCRIPT]),
        "KAFKA_ML_PASS_INTERVAL": "0.1",
        "KAFKA_ML_HEARTBEAT_FILE": str(heartbeat),
    }
    process = subprocess.Popen([sys.executable, "-m", "orchestrator.main"], env=environment)
    try:
        wait_until(heartbeat.exists)
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def replicas(directory: Path) -> list[Replica]:
    return WorkloadsDirectory(directory).replicas()


def test_workloads_outlive_it_and_are_found_again(
    server: WorkloadsServer, directory: Path
) -> None:
    log = directory / TRAINING.name / "0" / "log.txt"
    with orchestrator(server, directory) as process:
        wait_until(lambda: log.exists() and log.read_text() == "of-the-attempt\n")
        [before] = replicas(directory)
        process.kill()
    with (
        orchestrator(server, directory) as process,
        orchestrator(server, directory) as another,
    ):
        time.sleep(0.5)
        assert replicas(directory) == [before]
        for number in (signal.SIGTERM, signal.SIGTERM):
            process.send_signal(number)
            another.send_signal(number)
        assert process.wait(10) == 0
        assert another.wait(10) == 0
    assert replicas(directory) == [before]


def test_what_is_no_longer_wanted_is_ended_reported_and_forgotten(
    server: WorkloadsServer, directory: Path
) -> None:
    with orchestrator(server, directory):
        wait_until(lambda: replicas(directory))
        server.wanted = []
        wait_until(lambda: not replicas(directory))
    assert [each["exit_code"] for each in server.observations] == [143]


def test_without_a_token_it_says_so() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "KAFKA_ML_TOKEN"}
    process = subprocess.run(
        [sys.executable, "-m", "orchestrator.main"],
        env=environment,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert process.returncode == 1
    assert b"KAFKA_ML_TOKEN is not set" in process.stderr
