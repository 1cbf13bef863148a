"""The process, from its start to its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kafkaml_local.ports import free_port
from tests.api.actors import ADMIN_SECRET

SECONDS = 30


@pytest.fixture
def process(
    database_url: str, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    environment = {
        **os.environ,
        "KAFKA_ML_DATABASE_URL": database_url,
        "KAFKA_ML_ARTIFACTS_URL": tmp_path.as_uri(),
        "KAFKA_ML_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA_ML_ADMIN_TOKEN": ADMIN_SECRET,
        "KAFKA_ML_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "api.main"], env=environment)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(SECONDS)


def wait_ready(url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("the API did not become ready")


def test_it_serves_until_it_is_told_to_end(
    process: tuple[subprocess.Popen[bytes], str],
) -> None:
    server, url = process
    wait_ready(url)
    headers = {"Authorization": f"Bearer {ADMIN_SECRET}"}
    with httpx.stream("GET", f"{url}/api/v1/events", headers=headers) as events:
        lines = events.iter_lines()
        assert next(lines).startswith((":", "retry"))
        for _ in range(2):
            server.send_signal(signal.SIGTERM)
        assert server.wait(SECONDS) == 0
        assert list(lines)[-1] == ""


def test_it_can_be_told_to_end_while_it_waits(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "KAFKA_ML_DATABASE_URL": "postgresql+asyncpg://u:p@127.0.0.1:1/none",
        "KAFKA_ML_ARTIFACTS_URL": tmp_path.as_uri(),
        "KAFKA_ML_PORT": str(free_port()),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "api.main"], env=environment, stderr=subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        assert any(b"database_not_ready" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.communicate()


def test_it_says_what_setting_is_missing() -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("KAFKA_ML_")
    }
    ended = subprocess.run(
        [sys.executable, "-m", "api.main"],
        env=environment,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode != 0
    assert b"database_url" in ended.stderr
