"""Files on their way in or out: whole or not at all, and checked by their digest."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from uuid import uuid4

from kafkaml.exceptions import ClientError

BLOCK_BYTES = 1024 * 1024
DIGEST_HEADER = "X-Content-SHA256"


@contextmanager
def opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Give a file at its beginning; one that was open before stays open."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        source.seek(0)
        yield source


def headers_of(source: Path | BinaryIO) -> dict[str, str]:
    """Return the headers of an upload: type, length, and SHA-256 in hexadecimal digits."""
    digest = hashlib.sha256()
    with opened(source) as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
        size = os.fstat(file.fileno()).st_size
    return {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(size),
        DIGEST_HEADER: digest.hexdigest(),
    }


class PartialFile:
    """A file that takes its name only when it is complete; left early, it is removed."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.with_name(f".{target.name}.{uuid4().hex}.part")
        self._digest = hashlib.sha256()
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = self._path.open("xb")
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._file.write(chunk)

    def complete(self, sha256: str | None) -> None:
        """Give the file its name; raise ClientError if its content has another digest."""
        found = self._digest.hexdigest()
        if found != sha256:
            raise ClientError(
                f"what was downloaded for {self._target} is damaged: its SHA-256 is "
                f"{found}, the API announced {sha256 or 'none'}; download it again"
            )
        self._file.close()
        self._path.replace(self._target)
