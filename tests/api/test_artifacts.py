"""The artifact store: in a folder, in memory, and in S3."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.exceptions import ArtifactMissingError, BodyTooLargeError, DigestMismatchError
from api.storage.artifacts import ArtifactStore
from tests.api.fake_s3 import FakeS3

MEBIBYTE = 1024 * 1024
KEY = "trainings/1/model.keras"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "artifacts"


@pytest.fixture
async def s3(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeS3]:
    cloud = FakeS3()
    async with cloud.serve():
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        yield cloud


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, folder: Path, s3: FakeS3) -> ArtifactStore:
    urls = {
        "folder": folder.as_uri(),
        "memory": "memory:///",
        "s3": "s3://bucket/some/prefix",
    }
    assert s3.port
    return ArtifactStore.from_url(urls[request.param])


@pytest.fixture
def file_store(folder: Path) -> ArtifactStore:
    return ArtifactStore.from_url(folder.as_uri())


def files_in(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*.*"))


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def in_chunks(content: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


class UnreadBody:
    """A body that nobody may read."""

    def __aiter__(self) -> "UnreadBody":
        return self

    async def __anext__(self) -> bytes:
        raise AssertionError("the body was read")


async def put(store: ArtifactStore, content: bytes, key: str = KEY) -> int:
    return await store.put(
        key, in_chunks(content), sha256=digest_of(content), max_bytes=100 * MEBIBYTE
    )


@pytest.mark.parametrize("size", [0, 1, 5 * MEBIBYTE, 23 * MEBIBYTE + 7])
async def test_what_is_put_can_be_read(store: ArtifactStore, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]

    assert await put(store, content) == size

    assert await store.get_bytes(KEY) == content
    assert await store.exists(KEY)


async def test_a_large_file_is_read_in_pieces(file_store: ArtifactStore) -> None:
    await put(file_store, b"x" * 20 * MEBIBYTE)

    sizes = [len(chunk) async for chunk in await file_store.open(KEY)]

    assert sum(sizes) == 20 * MEBIBYTE
    assert max(sizes) <= 2 * MEBIBYTE


async def test_the_same_content_is_not_read_again(store: ArtifactStore) -> None:
    content = b"model" * 1000
    await put(store, content)

    size = await store.put(KEY, UnreadBody(), sha256=digest_of(content), max_bytes=MEBIBYTE)

    assert size == len(content)


async def test_other_content_takes_the_place(store: ArtifactStore) -> None:
    await put(store, b"first")
    await put(store, b"second")

    assert await store.get_bytes(KEY) == b"second"


async def test_a_wrong_digest_changes_nothing(
    file_store: ArtifactStore, folder: Path
) -> None:
    await put(file_store, b"first")

    with pytest.raises(DigestMismatchError):
        await file_store.put(
            KEY,
            in_chunks(b"x" * 12 * MEBIBYTE),
            sha256=digest_of(b"y"),
            max_bytes=100 * MEBIBYTE,
        )

    assert await file_store.get_bytes(KEY) == b"first"
    assert files_in(folder) == [KEY]


async def test_a_body_that_is_too_large_is_not_read_to_its_end(
    file_store: ArtifactStore, folder: Path
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * MEBIBYTE

    with pytest.raises(BodyTooLargeError):
        await file_store.put(KEY, endless(), sha256=digest_of(b""), max_bytes=12 * MEBIBYTE)

    assert sent == 13
    assert files_in(folder) == []


async def test_an_upload_that_breaks_off_leaves_nothing(
    file_store: ArtifactStore, folder: Path
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 12 * MEBIBYTE
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await file_store.put(KEY, broken(), sha256=digest_of(b""), max_bytes=100 * MEBIBYTE)

    assert files_in(folder) == []


async def test_a_cancelled_upload_leaves_nothing(
    file_store: ArtifactStore, folder: Path
) -> None:
    waiting = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x" * 12 * MEBIBYTE
        waiting.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(
        file_store.put(KEY, stalled(), sha256=digest_of(b""), max_bytes=100 * MEBIBYTE)
    )
    await asyncio.wait_for(waiting.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.2)

    assert files_in(folder) == []


async def test_a_bucket_holds_what_is_whole_under_the_prefix(s3: FakeS3) -> None:
    store = ArtifactStore.from_url("s3://bucket/some/prefix")
    content = b"x" * 12 * MEBIBYTE
    await put(store, content)
    with pytest.raises(DigestMismatchError):
        await store.put(
            "trainings/2/model.keras",
            in_chunks(content),
            sha256=digest_of(b"y"),
            max_bytes=100 * MEBIBYTE,
        )
    assert s3.objects == {f"bucket/some/prefix/{KEY}": content}


async def test_small_files_are_replaced_and_deleted(store: ArtifactStore) -> None:
    await store.put_text("logs/1/0", b"one")
    await store.put_text("logs/1/0", b"one\ntwo")
    assert await store.get_bytes("logs/1/0") == b"one\ntwo"

    await store.delete("logs/1/0")
    await store.delete("logs/1/0")

    assert await store.get_bytes("logs/1/0") is None
    assert not await store.exists("logs/1/0")


async def test_the_files_of_a_folder_are_listed_with_their_times(
    store: ArtifactStore,
) -> None:
    assert [each async for each in store.list("checkpoints")] == []
    before = datetime.now(UTC) - timedelta(seconds=2)
    for key in ("checkpoints/1/a", "checkpoints/2/b", "checkpoints-2/c", "logs/1/0"):
        await put(store, b"x", key=key)
    listed = [each async for each in store.list("checkpoints")]
    assert {each.key for each in listed} == {"checkpoints/1/a", "checkpoints/2/b"}
    after = datetime.now(UTC) + timedelta(seconds=2)
    assert all(before < each.stored_at < after for each in listed)


async def test_an_absent_file_is_missing(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactMissingError, match=KEY):
        await store.open(KEY)


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a/b#1", "ä", "a" * 600]
)
async def test_keys_that_lead_elsewhere_are_refused(store: ArtifactStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        await store.open(key)
    with pytest.raises(ValueError, match="not a key"):
        await put(store, b"x", key=key)


async def test_a_reopened_folder_holds_its_files(
    file_store: ArtifactStore, folder: Path
) -> None:
    await put(file_store, b"kept")

    assert await ArtifactStore.from_url(folder.as_uri()).get_bytes(KEY) == b"kept"
