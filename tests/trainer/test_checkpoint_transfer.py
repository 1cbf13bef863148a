"""Checkpoints between the model's process and the API: nothing there can end a fit."""

import os
import time
from pathlib import Path
from threading import Event
from typing import BinaryIO

import pytest

from kafkaml.exceptions import ApiUnavailableError
from kafkaml.schemas.trainings import Artifact
from tests.trainer.orders import training_order
from trainer.checkpoints.transfer import CheckpointSender, fetch_checkpoint
from trainer.exceptions import AttemptOverError, PlatformError
from trainer.messages import CHECKPOINT_FILE, RESUME_FILE, CheckpointWritten
from trainer.results.file_sender import UntrustedFile
from trainer.results.reporter import Reporter
from trainer.testing import InMemoryAttempts

SECONDS = 20.0
WRITTEN = CheckpointWritten(epochs=1, steps=4)


def new_attempts(**more: str) -> InMemoryAttempts:
    return InMemoryAttempts(training_order("control"), **more)


def await_gone(path: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while path.exists() or path.is_symlink():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def send(attempts: InMemoryAttempts, path: Path) -> None:
    """Send one file; return when the next one may be written."""
    with CheckpointSender(Reporter(attempts), directory=path.parent) as sender:
        sender.send(WRITTEN)
        await_gone(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / CHECKPOINT_FILE


def test_a_checkpoint_is_sent_and_makes_room_for_the_next(path: Path) -> None:
    attempts = new_attempts()
    for content in (b"one", b"two"):
        path.write_bytes(content)
        send(attempts, path)
    assert attempts.checkpoints == [b"one", b"two"]


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_is_not_sent(path: Path, kind: str) -> None:
    attempts = new_attempts()
    if kind == "link":
        path.symlink_to("/proc/self/environ")
    else:
        os.mkfifo(path)
    send(attempts, path)
    assert not attempts.checkpoints
    path.write_bytes(b"one")
    send(attempts, path)
    assert attempts.checkpoints == [b"one"]


def test_a_folder_cannot_be_opened(path: Path) -> None:
    path.mkdir()
    with pytest.raises(PlatformError, match="not a file"):
        UntrustedFile(path, closing=Event())


class FailingAttempts(InMemoryAttempts):
    """An API that is away when a checkpoint comes."""

    def upload_checkpoint(self, file: BinaryIO) -> Artifact:
        raise ApiUnavailableError(f"nobody is there to take {file}")


@pytest.mark.parametrize(
    "attempts",
    [
        FailingAttempts(training_order("control")),
        new_attempts(over_after="checkpoint"),
    ],
)
def test_an_upload_that_fails_is_no_error(path: Path, attempts: InMemoryAttempts) -> None:
    path.write_bytes(b"one")
    send(attempts, path)
    path.write_bytes(b"two")
    send(attempts, path)


class SlowAttempts(InMemoryAttempts):
    """An API that takes a checkpoint byte by byte, for ever."""

    def __init__(self) -> None:
        super().__init__(training_order("control"))
        self.begun = Event()

    def upload_checkpoint(self, file: BinaryIO) -> Artifact:
        while True:
            file.seek(0)
            file.read(1)
            self.begun.set()


def test_the_end_of_the_fit_waits_for_no_upload(path: Path) -> None:
    attempts = SlowAttempts()
    path.write_bytes(b"one")
    with CheckpointSender(Reporter(attempts), directory=path.parent) as sender:
        sender.send(WRITTEN)
        assert attempts.begun.wait(SECONDS)
        started = time.monotonic()
    assert time.monotonic() - started < 4
    assert not path.exists()


def test_a_file_that_is_replaced_stays_the_one_that_was_opened(path: Path) -> None:
    path.write_bytes(b"checkpoint")
    with UntrustedFile(path, closing=Event()) as file:
        path.unlink()
        path.symlink_to("/proc/self/environ")
        assert file.read() == b"checkpoint"


def test_a_file_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    attempts = new_attempts()
    attempts.checkpoints = [b"one"]
    assert fetch_checkpoint(tmp_path, Reporter(attempts))
    assert (tmp_path / RESUME_FILE).read_bytes() == b"one"

    class Away(InMemoryAttempts):
        def download_checkpoint(self, path: Path) -> Path:
            raise ApiUnavailableError(f"{path} cannot be had")

    assert not fetch_checkpoint(tmp_path, Reporter(Away(training_order("control"))))
    with pytest.raises(AttemptOverError):
        fetch_checkpoint(tmp_path, Reporter(new_attempts(over_after="fetch")))


def test_a_file_of_a_fit_that_has_ended_is_not_read(path: Path) -> None:
    path.write_bytes(b"one")
    closing = Event()
    closing.set()
    with (
        UntrustedFile(path, closing=closing) as file,
        pytest.raises(PlatformError, match="ended"),
    ):
        file.read()
