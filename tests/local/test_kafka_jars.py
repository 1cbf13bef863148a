import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafkaml_local.exceptions import DownloadError
from kafkaml_local.kafka_jars import ensure_jars, needed_jars


class WrongFiles(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"something else")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A repository whose files are not what was published; the cache is empty."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), WrongFiles) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/maven"
        monkeypatch.setenv("KAFKA_ML_MAVEN_URL", address)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield address
        server.shutdown()
        thread.join()


def test_every_needed_file_has_a_digest_and_a_place() -> None:
    jars = needed_jars()
    assert len({jar.name for jar in jars}) == len(jars) > 40
    assert all(len(jar.sha256) == len(hashlib.sha256().hexdigest()) for jar in jars)
    broker = next(jar for jar in jars if jar.artifact == "kafka_2.13")
    assert broker.path == "org/apache/kafka/kafka_2.13/4.3.1/kafka_2.13-4.3.1.jar"


def test_a_changed_file_is_refused_and_nothing_is_kept(
    repository: str, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match=f"{repository}.* is not the file"):
        ensure_jars()
    assert list((tmp_path / "cache" / "kafka-ml").iterdir()) == []


def test_a_silent_repository_is_named_with_the_way_out(
    repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_ML_MAVEN_URL", "http://127.0.0.1:1")
    assert repository
    with pytest.raises(DownloadError, match="set KAFKA_ML_MAVEN_URL"):
        ensure_jars()
