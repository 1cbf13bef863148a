"""Replicas in processes of their own, which can die."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from kafkaml.schemas.attempts import InferenceOrder

from .orders import order_of

BATCH = 50
SECONDS_PER_BATCH = 0.2
ROOT = Path(__file__).parents[2]


class Start(Protocol):
    """Starts a replica, one slow batch after the other."""

    def __call__(
        self, order: InferenceOrder, **settings: object
    ) -> "subprocess.Popen[bytes]": ...


@contextmanager
def starting(folder: Path, kafka_bootstrap: str) -> Iterator[Start]:
    """Start replicas meanwhile, and kill those that are left."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(order: InferenceOrder, **settings: object) -> "subprocess.Popen[bytes]":
        file = folder / "order.json"
        file.write_text(order_of(order).model_dump_json())
        command = [sys.executable, "-m", "tests.inferencer.lone_replica"]
        known = {
            "bootstrap_servers": kafka_bootstrap,
            "batch_records": BATCH,
            "session_seconds": 6,
        }
        process = subprocess.Popen(
            [*command, str(file), str(SECONDS_PER_BATCH)],
            cwd=ROOT,
            env=os.environ
            | {
                f"KAFKA_ML_{name.upper()}": str(value)
                for name, value in (known | settings).items()
            },
        )
        started.append(process)
        return process

    try:
        yield start_one
    finally:
        for process in started:
            process.kill()
            process.wait(timeout=30)
