"""The jars of Kafka: fetched once from Maven Central, checked, kept in the user's cache."""

import contextlib
import hashlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import httpx
import platformdirs

from kafkaml_local.exceptions import DownloadError

VERSION = "4.3.1"
MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
MAVEN_VARIABLE = "KAFKA_ML_MAVEN_URL"
PAUSES_SECONDS = (0.5, 2.0)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Jar:
    """One published file: where it is, and what it must be."""

    group: str
    artifact: str
    version: str
    sha256: str

    @classmethod
    def from_line(cls, line: str) -> "Jar":
        """Read `<digest>  <group>:<artifact>:<version>`."""
        digest, coordinates = line.split()
        group, artifact, version = coordinates.split(":")
        return cls(group=group, artifact=artifact, version=version, sha256=digest)

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """Its place in a Maven repository."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"


def needed_jars() -> list[Jar]:
    """Return the files that make up the broker, in the order of the class path."""
    listing = files("kafkaml_local").joinpath(f"kafka-{VERSION}.sha256")
    return [Jar.from_line(line) for line in listing.read_text("utf-8").splitlines()]


def ensure_jars(*, progress: Progress | None = None) -> list[Path]:
    """Return the class path of the broker; fetch it if this machine never did.

    `progress` is called with the number of files fetched and of all. Raise
    `DownloadError` when a file cannot be fetched or differs from what was published.
    """
    folder = platformdirs.user_cache_path("kafka-ml") / f"kafka-{VERSION}"
    jars = needed_jars()
    if not folder.exists():
        _fetch_all(jars, folder, progress or (lambda _done, _total: None))
    paths = [folder / jar.name for jar in jars]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise DownloadError(f"{folder} lacks {', '.join(missing)}: remove it and try again")
    return paths


def _fetch_all(jars: list[Jar], folder: Path, progress: Progress) -> None:
    """Fill the folder in one step: it is there and whole, or not there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        with httpx.Client(timeout=60, follow_redirects=True) as client:
            _fetch_into(unfinished, jars, client, progress)
        if not folder.exists():
            unfinished.rename(folder)
    except OSError as error:
        if not folder.exists():
            raise DownloadError(f"Kafka could not be put into {folder}: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _fetch_into(
    folder: Path, jars: list[Jar], client: httpx.Client, progress: Progress
) -> None:
    def fetch(jar: Jar) -> None:
        (folder / jar.name).write_bytes(_fetch(jar, client))

    with ThreadPoolExecutor(max_workers=6) as pool:
        for done, _ in enumerate(pool.map(fetch, jars), start=1):
            progress(done, len(jars))


def _fetch(jar: Jar, client: httpx.Client) -> bytes:
    for pause in PAUSES_SECONDS:
        with contextlib.suppress(httpx.HTTPError):
            return _download(jar, client)
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    try:
        return _download(jar, client)
    except httpx.HTTPError as error:
        raise DownloadError(
            f"{jar.name} could not be fetched ({error}). Kafka is fetched once; "
            f"set {MAVEN_VARIABLE} if this machine needs a mirror."
        ) from error


def _download(jar: Jar, client: httpx.Client) -> bytes:
    repository = os.environ.get(MAVEN_VARIABLE, MAVEN_CENTRAL).rstrip("/")
    response = client.get(f"{repository}/{jar.path}").raise_for_status()
    if hashlib.sha256(response.content).hexdigest() != jar.sha256:
        raise DownloadError(f"{response.url} is not the file that was published (SHA-256)")
    return response.content
