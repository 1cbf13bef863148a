import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml_local.exceptions import PartError
from kafkaml_local.log_keeper import cut_log
from kafkaml_local.processes import BackgroundProcess, ProcessIdentity

SECOND = timedelta(seconds=1)
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
IGNORE_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('deaf', flush=True)
time.sleep(60)
"""
DEAF = [sys.executable, "-c", IGNORE_SIGTERM]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[BackgroundProcess]:
    process = BackgroundProcess(directory=tmp_path / "part")
    yield process
    process.stop(grace=timedelta())


def pid_of(process: BackgroundProcess) -> int:
    found = process.find()
    assert found is not None
    return found.pid


def wait_for_log(process: BackgroundProcess, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in process.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_second_start_changes_nothing(process: BackgroundProcess) -> None:
    process.start(SLEEP, environment={})
    pid = pid_of(process)
    process.start(SLEEP, environment={})
    assert pid_of(process) == pid


def test_another_command_finds_and_stops_it(
    process: BackgroundProcess, tmp_path: Path
) -> None:
    process.start(SLEEP, environment={})
    other = BackgroundProcess(directory=tmp_path / "part")
    assert pid_of(other) == pid_of(process)

    other.stop(grace=10 * SECOND)
    assert not process.is_running()
    assert not process.has_died()


def test_it_lives_in_a_session_of_its_own(process: BackgroundProcess) -> None:
    process.start(SLEEP, environment={})
    assert os.getsid(pid_of(process)) == pid_of(process)


def test_one_that_does_not_listen_is_ended_by_force(process: BackgroundProcess) -> None:
    process.start(DEAF, environment={})
    wait_for_log(process, "deaf")
    process.stop(grace=0.2 * SECOND)
    assert not process.is_running()


def test_one_that_was_killed_has_died_until_it_is_stopped(
    process: BackgroundProcess,
) -> None:
    assert not process.has_died()
    process.start(SLEEP, environment={})
    assert not process.has_died()
    os.kill(pid_of(process), signal.SIGKILL)
    while process.is_running():
        time.sleep(0.01)
    assert process.has_died()
    process.stop(grace=SECOND)
    assert not process.has_died()


def test_a_recycled_process_id_is_not_taken_for_ours(
    process: BackgroundProcess, tmp_path: Path
) -> None:
    mine = ProcessIdentity.from_pid(os.getpid())
    assert mine.find() is not None
    (tmp_path / "part").mkdir()
    record = {"pid": mine.pid, "started": mine.started - 60}
    (tmp_path / "part" / "process.json").write_text(json.dumps(record))

    assert not process.is_running()
    process.stop(grace=SECOND)  # and does not end this test


def test_an_unreadable_record_counts_as_not_running(
    process: BackgroundProcess, tmp_path: Path
) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "process.json").write_text("{")
    assert not process.is_running()


def test_one_that_dies_at_start_is_named_with_its_last_lines(
    process: BackgroundProcess,
) -> None:
    process.start([sys.executable, "-c", "raise SystemExit('no luck')"], environment={})
    with pytest.raises(PartError, match=r"(?s)^relay has died.*no luck.*log\.txt$"):
        process.wait_ready(lambda: False, name="relay", timeout=20 * SECOND)


def test_one_that_is_never_ready_is_named(process: BackgroundProcess) -> None:
    process.start(SLEEP, environment={})
    with pytest.raises(PartError, match=r"^relay is not ready after 0 seconds"):
        process.wait_ready(lambda: False, name="relay", timeout=0.1 * SECOND)


def test_a_full_log_is_cut_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old line\n" * 100 + b"newest line\n")
        cut_log(log, max_bytes=100)
        writer.write(b"next line\n")

    assert log.read_bytes() == b"next line\n"
    older = (tmp_path / "log.old.txt").read_bytes()
    assert len(older) == 100
    assert older.endswith(b"old line\nnewest line\n")


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    cut_log(log)
    log.write_text("line\n")
    cut_log(log)
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]
