"""The program as the orchestrator starts it: real API client, real model, real broker."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.states import ExitCode
from kafkaml.schemas.trainings import Artifact, ArtifactFormat

from .exports import sum_export
from .orders import order_of, value_of
from .topics import Topics, eventually

TOKEN = "kml_attempt"
ENVIRONMENT = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
MAKE_MODEL = """
import sys, keras
dense = keras.layers.Dense(2, kernel_initializer="ones")
model = keras.Sequential([keras.Input((4,)), dense])
model.save(sys.argv[1])
"""


class FakeApi(ThreadingHTTPServer):
    """The routes that an inference's attempt calls."""

    def __init__(self, order: bytes, artifacts: dict[ArtifactFormat, bytes]) -> None:
        self.bodies = {"": order}
        for name, content in artifacts.items():
            digest = hashlib.sha256(content).hexdigest()
            self.bodies[f"/artifact?format={name}&sha256={digest}"] = content
        self.progress: list[Any] = []
        super().__init__(("127.0.0.1", 0), FakeApiHandler)


class FakeApiHandler(BaseHTTPRequestHandler):
    server: FakeApi

    def do_GET(self) -> None:
        body = self.server.bodies[self.place()]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-SHA256", hashlib.sha256(body).hexdigest())
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        report = json.loads(self.rfile.read(size))
        if self.place() == "/progress":
            self.server.progress.append(report)
        self.send_response(204)
        self.end_headers()

    def place(self) -> str:
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        return self.path.removeprefix("/api/v1/attempts/current")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def fake_api(order: bytes, artifacts: dict[ArtifactFormat, bytes]) -> Iterator[FakeApi]:
    with FakeApi(order, artifacts) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(timeout=10)


def test_a_replica_fetches_its_order_serves_reports_and_drains(
    tmp_path: Path, topics: Topics, order: InferenceOrder
) -> None:
    path = tmp_path / "model.keras"
    subprocess.run([sys.executable, "-c", MAKE_MODEL, path], env=ENVIRONMENT, check=True)
    model = path.read_bytes()
    order = order.model_copy(update={"artifact": artifact(model, ArtifactFormat.KERAS)})

    engine = serve_a_hundred(order, {ArtifactFormat.KERAS: model}, topics, tmp_path)

    assert engine["name"] == "keras"
    assert engine["rejected"]["litert"] == "the training has no such export"
    assert "tensorflow" in imported(tmp_path)


def test_a_replica_on_litert_never_imports_tensorflow(
    tmp_path: Path, topics: Topics, order: InferenceOrder
) -> None:
    export = sum_export()
    artifacts = [artifact(export, ArtifactFormat.LITERT)]
    order = order.model_copy(update={"artifacts": artifacts})

    engine = serve_a_hundred(order, {ArtifactFormat.LITERT: export}, topics, tmp_path)

    assert (engine["name"], engine.get("rejected")) == ("litert", None)
    assert "ai_edge_litert" in imported(tmp_path)
    assert not imported(tmp_path) & {"tensorflow", "keras", "tensorflow_io"}


def serve_a_hundred(
    order: InferenceOrder,
    artifacts: dict[ArtifactFormat, bytes],
    topics: Topics,
    folder: Path,
) -> dict[str, Any]:
    """Let a replica answer a hundred records; return what it told of its engine."""
    topics.send(order.input_topic, [value_of(number) for number in range(100)])
    whole = order_of(order).model_dump_json().encode()
    with fake_api(whole, artifacts) as api, (folder / "errors").open("wb") as errors:
        replica = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "inferencer.main"],
            cwd=folder,
            stderr=errors,
            env=ENVIRONMENT
            | {
                "KAFKA_ML_URL": f"http://127.0.0.1:{api.server_port}",
                "KAFKA_ML_TOKEN": TOKEN,
                "KAFKA_ML_BOOTSTRAP_SERVERS": topics.bootstrap_servers,
                "KAFKA_ML_REPLICA": "1",
            },
        )
        try:
            answers = topics.read(order.output_topic, 100, seconds=90)
            eventually(lambda: bool(api.progress))
            replica.send_signal(signal.SIGTERM)
            assert replica.wait(timeout=30) == ExitCode.DRAINED
        finally:
            replica.kill()
            replica.wait(timeout=30)

    values = sorted(json.loads(each.value())["values"] for each in answers)
    assert np.allclose(values, [[number, number] for number in range(100)], atol=1e-5)
    (report,) = api.progress
    assert (report["state"], report["replica"]) == ("serving", 1)
    engine: dict[str, Any] = report["engine"]
    return engine


def artifact(content: bytes, name: ArtifactFormat) -> Artifact:
    return Artifact(
        size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), format=name
    )


def imported(folder: Path) -> set[str]:
    """Return every package that the replica imported, at its start or later."""
    lines = (folder / "errors").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("import time:")]
    return {row[-1].strip().split(".")[0] for row in rows}
