"""Checkpoints on their way from the model's process to the API, and back."""

import os
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Self

import structlog

from trainer.exceptions import AttemptOverError, PlatformError, TrainerError
from trainer.messages import CHECKPOINT_FILE, RESUME_FILE, CheckpointWritten
from trainer.results.reporter import Reporter

END_SECONDS = 5.0

logger = structlog.get_logger()


def fetch_checkpoint(directory: Path, reporter: Reporter) -> bool:
    """Lay the checkpoint of an attempt before where the model's process finds it.

    Return False if that fails: the fit begins anew then. Raise AttemptOverError.
    """
    try:
        reporter.fetch_checkpoint(directory / RESUME_FILE)
    except AttemptOverError:
        raise
    except (TrainerError, OSError) as e:
        logger.warning("the checkpoint cannot be had, the fit begins anew", reason=str(e))
        return False
    return True


class CheckpointSender:
    """Uploads checkpoints beside a fit, one at a time.

    A failure costs a checkpoint and no more. Leaving the context gives up the upload that
    is under way: nothing waits for a checkpoint.
    """

    def __init__(self, reporter: Reporter, *, directory: Path) -> None:
        self._reporter = reporter
        self._path = directory / CHECKPOINT_FILE
        self._changed = Condition()
        self._waiting: CheckpointWritten | None = None
        self._closing = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        self._thread.join(END_SECONDS)

    def send(self, written: CheckpointWritten) -> None:
        """Upload the file that was written, later."""
        with self._changed:
            self._waiting = written
            self._changed.notify_all()

    def _run(self) -> None:
        while (written := self._next()) is not None:
            self._send(written)

    def _next(self) -> CheckpointWritten | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            written, self._waiting = self._waiting, None
            return None if self._closing.is_set() else written

    def _send(self, written: CheckpointWritten) -> None:
        try:
            with UntrustedFile(self._path, closing=self._closing) as file:
                sent = self._reporter.checkpoint(file)
        except Exception as e:  # noqa: BLE001  # whatever it is, the fit goes on
            if not self._closing.is_set():
                logger.warning("a checkpoint was not kept", reason=str(e))
        else:
            logger.info(
                "checkpoint kept",
                epochs=written.epochs,
                batches=written.steps,
                size_bytes=sent.size_bytes,
            )
        finally:
            with suppress(OSError):
                self._path.unlink()  # the next one may be written now


class UntrustedFile(FileIO):
    """A file that a model's code could have replaced, open for reading.

    Raises PlatformError if it is no plain file: a link could lead to the trainer's secrets.
    So does reading after `closing` is set.
    """

    def __init__(self, path: Path, *, closing: Event) -> None:
        self._closing = closing
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise PlatformError(f"{path.name} is not a file")
        super().__init__(descriptor)

    def read(self, size: int | None = -1, /) -> bytes:
        if self._closing.is_set():
            raise PlatformError("the fit has ended")
        return super().read(-1 if size is None else size) or b""
