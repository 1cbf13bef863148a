from pathlib import Path

import httpx
import pytest

from kafkaml.exceptions import ApiUnavailableError, ClientError, ProblemError
from kafkaml.schemas.trainings import ArtifactFormat
from tests.kafkaml.client._async.conftest import Connect
from tests.kafkaml.client.artifact_server import CONTENT, SHA256, ArtifactServer
from tests.kafkaml.client.conftest import Serve
from tests.kafkaml.client.fake_api import FakeApi, answer, refusal


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    path.write_bytes(b"earlier")
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_an_artifact_is_downloaded(
    connect: Connect, serve: Serve, tmp_path: Path
) -> None:
    client = connect(serve(ArtifactServer().app()))
    path = await client.trainings.download(1, str(tmp_path / "a.keras"))
    await client.attempts.download_artifact(tmp_path / "b.keras")
    assert path == tmp_path / "a.keras"
    assert files_in(tmp_path) == {"a.keras": CONTENT, "b.keras": CONTENT}


async def test_a_format_is_asked_for(
    connect: Connect, serve: Serve, tmp_path: Path
) -> None:
    server = ArtifactServer()
    client = connect(serve(server.app()))
    await client.trainings.download(1, tmp_path / "a.zip", format="litert")
    await client.attempts.download_artifact(tmp_path / "b.onnx", ArtifactFormat.ONNX)
    await client.trainings.download(1, tmp_path / "c.keras")
    assert server.formats == ["litert", "onnx", "keras"]


async def test_a_download_that_is_cut_is_begun_anew(
    connect: Connect, serve: Serve, tmp_path: Path
) -> None:
    server = ArtifactServer(cuts=2)
    client = connect(serve(server.app()))
    await client.trainings.download(1, tmp_path / "a.keras")
    assert files_in(tmp_path) == {"a.keras": CONTENT}
    assert server.downloads == 3


async def test_a_download_that_never_ends_well_leaves_what_was(
    connect: Connect, serve: Serve, earlier: Path
) -> None:
    server = ArtifactServer(cuts=100)
    client = connect(serve(server.app()), retry_for=0.4)
    with pytest.raises(ApiUnavailableError):
        await client.trainings.download(1, earlier)
    assert files_in(earlier.parent) == {"model.keras": b"earlier"}


async def test_a_damaged_download_is_told(
    connect: Connect, serve: Serve, tmp_path: Path
) -> None:
    server = ArtifactServer(sha256="0" * 64)
    client = connect(serve(server.app()))
    with pytest.raises(ClientError, match=f"{SHA256}, the API announced 000"):
        await client.trainings.download(1, tmp_path / "a.keras")
    assert files_in(tmp_path) == {}


async def test_a_download_that_is_refused_is_told(connect: Connect, tmp_path: Path) -> None:
    api = FakeApi(refusal("artifact-missing", 404))
    client = connect("http://api.test", transport=api)
    with pytest.raises(ProblemError, match="Not now"):
        await client.trainings.download(1, tmp_path / "a.keras")
    assert files_in(tmp_path) == {}


async def test_an_artifact_is_uploaded_with_its_digest(
    connect: Connect, serve: Serve, artifact: Path
) -> None:
    server = ArtifactServer()
    client = connect(serve(server.app()))
    uploaded = await client.attempts.upload_artifact(artifact)
    assert (uploaded.size_bytes, uploaded.sha256) == (len(CONTENT), SHA256)
    assert server.uploads == [(SHA256, len(CONTENT), CONTENT)]


async def test_an_export_is_uploaded_as_its_format(
    connect: Connect, serve: Serve, artifact: Path
) -> None:
    server = ArtifactServer()
    client = connect(serve(server.app()))
    await client.attempts.upload_export(artifact, ArtifactFormat.ONNX)
    assert server.uploads == [(SHA256, len(CONTENT), CONTENT)]


async def test_an_upload_is_sent_again_as_a_whole(
    connect: Connect, serve: Serve, artifact: Path
) -> None:
    server = ArtifactServer(refuse=503, refusals=2)
    client = connect(serve(server.app()))
    await client.attempts.upload_artifact(str(artifact))
    assert server.uploads == [(SHA256, len(CONTENT), CONTENT)]


async def test_an_upload_that_is_cut_is_sent_again(
    connect: Connect, artifact: Path
) -> None:
    document = {"size_bytes": len(CONTENT), "sha256": SHA256}
    api = FakeApi(httpx.WriteError("cut"), answer(document, 201))
    client = connect("http://api.test", transport=api)
    await client.attempts.upload_artifact(artifact)
    assert [request.content for request in api.requests] == [CONTENT, CONTENT]


async def test_an_upload_of_an_attempt_that_is_over_is_refused(
    connect: Connect, serve: Serve, artifact: Path
) -> None:
    server = ArtifactServer(refuse=409)
    client = connect(serve(server.app()))
    with pytest.raises(ProblemError) as raised:
        await client.attempts.upload_artifact(artifact)
    assert raised.value.problem.code == "attempt-over"
    assert server.uploads == []


async def test_a_checkpoint_is_read_from_its_beginning(
    connect: Connect, serve: Serve, artifact: Path
) -> None:
    server = ArtifactServer()
    client = connect(serve(server.app()))
    with artifact.open("rb") as file:
        file.read(10)
        kept = await client.attempts.upload_checkpoint(file)
        assert not file.closed
    assert (kept.size_bytes, kept.sha256) == (len(CONTENT), SHA256)
    assert server.uploads == [(SHA256, len(CONTENT), CONTENT)]


async def test_a_checkpoint_is_tried_once_unless_told_otherwise(
    connect: Connect, serve: Serve, artifact: Path
) -> None:
    server = ArtifactServer(refuse=503, refusals=1)
    client = connect(serve(server.app()), retry_for=20)
    with artifact.open("rb") as file:
        with pytest.raises(ApiUnavailableError):
            await client.attempts.upload_checkpoint(file)
        server.refusals = 1
        await client.attempts.upload_checkpoint(file, retry_for=20)
    assert server.uploads == [(SHA256, len(CONTENT), CONTENT)]


async def test_a_checkpoint_is_downloaded(
    connect: Connect, serve: Serve, tmp_path: Path
) -> None:
    client = connect(serve(ArtifactServer().app()))
    path = await client.attempts.download_checkpoint(tmp_path / "checkpoint")
    assert path.read_bytes() == CONTENT
