"""The artifact store: files in a folder, or in S3, GCS or Azure."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError as StoreError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from api.exceptions import (
    ArtifactMissingError,
    BodyTooLargeError,
    DigestMismatchError,
    UnavailableError,
)

if TYPE_CHECKING:  # exists for type checkers only
    from obstore import BytesStream

PART_BYTES = 5 * 1024 * 1024
MAX_PARTS_IN_FLIGHT = 4
CHUNK_BYTES = 1024 * 1024
RETRY_TIMEOUT = timedelta(seconds=60)

_NAME = "[A-Za-z0-9_-][A-Za-z0-9._-]*"
_KEY = re.compile(f"{_NAME}(/{_NAME})*", re.ASCII)
_MAX_KEY_LENGTH = 512


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store, and since when it is whole."""

    key: str
    stored_at: datetime


class ArtifactStore:
    """Files by key. A file is visible only once it is whole.

    A key is names joined by slashes; a name begins with a letter, digit, `_` or `-`. An
    upload to a cloud that breaks off may leave invisible parts: let the bucket expire them.
    """

    def __init__(self, *, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open `file:///folder` (made if absent), `s3://bucket/prefix`, `gs://…`, `az://…`.

        Credentials come from the usual environment of the cloud in question.
        """
        parts = urlsplit(url)
        if parts.scheme == "file":
            return cls(store=LocalStore(unquote(parts.path), mkdir=True))
        if parts.scheme == "memory":
            return cls(store=MemoryStore())
        return cls(store=from_url(url, retry_config={"retry_timeout": RETRY_TIMEOUT}))

    async def put(
        self, key: str, chunks: AsyncIterable[bytes], *, sha256: str, max_bytes: int
    ) -> int:
        """Store a file and return its size in bytes; `chunks` are not read if it is there.

        Raises DigestMismatchError or BodyTooLargeError, and then nothing is changed.
        """
        _check_key(key)
        known = await self._digest_and_size(key)
        if known is not None and known[0] == sha256:
            return known[1]
        received = _Received(chunks, sha256=sha256, max_bytes=max_bytes)
        with _translated_errors(key):
            await obstore.put_async(
                self._store,
                key,
                received.checked(),
                chunk_size=PART_BYTES,
                max_concurrency=MAX_PARTS_IN_FLIGHT,
            )
        await self._persist(key)
        return received.size

    async def put_text(self, key: str, data: bytes) -> None:
        """Store a small file, in the place of the one before."""
        _check_key(key)
        with _translated_errors(key):
            await obstore.put_async(self._store, key, data)

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """Return the content in chunks; raise ArtifactMissingError if there is none."""
        _check_key(key)
        with _translated_errors(key):
            answer = await obstore.get_async(self._store, key)
        return _chunks(key, answer.stream(min_chunk_size=CHUNK_BYTES))

    async def get_bytes(self, key: str) -> bytes | None:
        """Return the whole content of a small file; None if there is none."""
        try:
            return b"".join([chunk async for chunk in await self.open(key)])
        except ArtifactMissingError:
            return None

    async def exists(self, key: str) -> bool:
        """Return whether there is a file."""
        _check_key(key)
        try:
            with _translated_errors(key):
                await obstore.head_async(self._store, key)
        except ArtifactMissingError:
            return False
        return True

    async def list(self, folder: str) -> AsyncIterator[StoredFile]:
        """Yield the files whose keys begin with `folder/`, in no order."""
        _check_key(folder)
        with _translated_errors(folder):
            async for page in obstore.list(self._store, f"{folder}/"):
                for each in page:
                    yield StoredFile(key=each["path"], stored_at=each["last_modified"])

    async def delete(self, key: str) -> None:
        """Remove a file; it is fine if there is none."""
        _check_key(key)
        try:
            with _translated_errors(key):
                await obstore.delete_async(self._store, key)
        except ArtifactMissingError:
            return

    async def _digest_and_size(self, key: str) -> tuple[str, int] | None:
        try:
            content = await self.open(key)
        except ArtifactMissingError:
            return None
        digest, size = hashlib.sha256(), 0
        async for chunk in content:
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    async def _persist(self, key: str) -> None:
        """Let a file in a folder survive a power cut; the clouds see to that themselves."""
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            await asyncio.to_thread(_write_to_disk, Path(self._store.prefix), key)


class _Received:
    """Counts and digests chunks on their way."""

    def __init__(
        self, chunks: AsyncIterable[bytes], *, sha256: str, max_bytes: int
    ) -> None:
        self._chunks = chunks
        self._announced = sha256
        self._max_bytes = max_bytes
        self.size = 0

    async def checked(self) -> AsyncGenerator[bytes]:
        """Yield the chunks; raise before the end if they are not what was announced."""
        digest = hashlib.sha256()
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._max_bytes:
                raise BodyTooLargeError(max_bytes=self._max_bytes)
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != self._announced:
            raise DigestMismatchError(
                announced=self._announced, received=digest.hexdigest()
            )


async def _chunks(key: str, stream: "BytesStream") -> AsyncGenerator[bytes]:
    with _translated_errors(key):
        async for chunk in stream:
            yield bytes(chunk)


@contextmanager
def _translated_errors(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as e:
        raise ArtifactMissingError(key) from e
    except StoreError as e:
        raise UnavailableError("The artifact store does not answer as it should") from e


def _check_key(key: str) -> None:
    if len(key) > _MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise ValueError(f"{key[:80]!r} is not a key of the artifact store")


def _write_to_disk(root: Path, key: str) -> None:
    path = root / key
    for each in (path, *path.parents):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if each == root:
            return
