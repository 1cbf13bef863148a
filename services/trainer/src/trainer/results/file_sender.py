"""Files of the model's process on their way to the API, beside the training."""

import os
import stat
from abc import ABC, abstractmethod
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import Condition, Event, Thread
from types import TracebackType
from typing import BinaryIO, Generic, Self, TypeVar

import structlog

from trainer.exceptions import AttemptOverError, PlatformError

WrittenT = TypeVar("WrittenT")

logger = structlog.get_logger()


class FileSender(ABC, Generic[WrittenT]):
    """Uploads a file each time that it was written anew, one at a time.

    The file is removed then: the sign that the next may be written. A failure costs a file
    and no more. Leaving the context gives up the upload that is under way, and waits for
    its end for at most `end_seconds`.
    """

    def __init__(self, path: Path, *, end_seconds: float) -> None:
        self._path = path
        self._end_seconds = end_seconds
        self._changed = Condition()
        self._waiting: WrittenT | None = None
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
        self._thread.join(self._end_seconds)

    @abstractmethod
    def upload(self, file: BinaryIO, written: WrittenT) -> None:
        """Upload the file and tell of it in the log."""

    def send(self, written: WrittenT) -> None:
        """Upload the file that was written, later."""
        with self._changed:
            self._waiting = written
            self._changed.notify_all()

    def _run(self) -> None:
        while (written := self._next()) is not None:
            self._send(written)

    def _next(self) -> WrittenT | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            written, self._waiting = self._waiting, None
            return None if self._closing.is_set() else written

    def _send(self, written: WrittenT) -> None:
        try:
            with UntrustedFile(self._path, closing=self._closing) as file:
                self.upload(file, written)
        except AttemptOverError:
            logger.info("the attempt is over: nothing more is kept", file=self._path.name)
        except Exception as e:  # noqa: BLE001  # whatever it is, the training goes on
            if not self._closing.is_set():
                logger.warning("a file was not kept", file=self._path.name, reason=str(e))
        finally:
            with suppress(OSError):
                self._path.unlink()


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
