"""Heartbeats, and the command that looks for them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kafkaml.heartbeat import Heartbeat, probe


def run_probe(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kafkaml.heartbeat", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_heart_that_beats_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    Heartbeat(file).beat()
    os.utime(file, (0, 0))
    assert run_probe(file, 60).returncode == 1
    Heartbeat(file).beat()
    assert run_probe(file, 60).returncode == 0


def test_one_that_never_beat_is_missed(tmp_path: Path) -> None:
    result = run_probe(tmp_path / "heartbeat", 60)
    assert result.returncode == 1
    assert result.stderr.startswith("no heartbeat yet: ")
    assert str(tmp_path) in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("age_seconds", "is_fresh"), [(0, True), (9, True), (11, False), (-11, False)]
)
def test_age_decides(tmp_path: Path, age_seconds: float, *, is_fresh: bool) -> None:
    file = tmp_path / "heartbeat"
    file.touch()
    touched_at = time.time() - age_seconds
    os.utime(file, (touched_at, touched_at))
    finding = probe(file, 10)
    assert finding.is_fresh is is_fresh
    assert "at most 10 s" in finding.text


def test_without_a_file_it_beats_for_nobody() -> None:
    Heartbeat(None).beat()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        Heartbeat(tmp_path / "absent" / "heartbeat").beat()


@pytest.mark.parametrize("arguments", [(), ("file",), ("file", "soon"), ("file", "1", "2")])
def test_wrong_arguments_show_the_right_ones(arguments: tuple[str, ...]) -> None:
    result = run_probe(*arguments)
    assert result.returncode == 2
    assert result.stderr == "usage: python -m kafkaml.heartbeat FILE SECONDS\n"


def test_the_probe_loads_little() -> None:
    code = "import sys, kafkaml.heartbeat; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    heavy = {"asyncio", "pydantic", "structlog", "httpx", "argparse", "logging"}
    assert not heavy & set(result.stdout.split())
