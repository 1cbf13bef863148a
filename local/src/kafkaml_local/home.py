"""The state folder: where the platform of one machine keeps everything."""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ValidationError

from kafkaml_local.exceptions import StateError
from kafkaml_local.files import make_private_folder, write_private
from kafkaml_local.ports import free_port, is_free

HOME_VARIABLE = "KAFKA_ML_HOME"
LOCK_POLL_SECONDS = 0.2

Content = TypeVar("Content", bound=BaseModel)


def new_token() -> str:
    return f"kml_{secrets.token_urlsafe(32)}"


class Secrets(BaseModel, frozen=True):
    """The tokens of this platform."""

    admin_token: str
    orchestrator_token: str
    control_logger_token: str

    @classmethod
    def make(cls) -> Self:
        """Return new secrets of 256 random bits each."""
        return cls(
            admin_token=new_token(),
            orchestrator_token=new_token(),
            control_logger_token=new_token(),
        )


class Ports(BaseModel, frozen=True):
    """Where the servers of this platform listen on 127.0.0.1; at first the usual ports."""

    api: int = 8000
    kafka: int = 9092
    kafka_controller: int = 19092
    postgres: int = 54320

    def replace_taken(self, *, ours: frozenset[str]) -> Self:
        """Return the ports, with others for those that somebody else listens on.

        `ours` names the ports of servers that run.
        """
        chosen: dict[str, int] = self.model_dump()
        for name in [name for name in chosen if name not in ours]:
            if not is_free(chosen[name]):
                chosen[name] = free_port(taken=chosen.values())
        return self.model_copy(update=chosen)


class Home:
    """The state folder with its secrets, its ports and a folder for each part."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._secrets_file = self.path / "secrets.json"
        self._ports_file = self.path / "ports.json"
        self.artifacts = self.path / "artifacts"
        self.workloads = self.path / "workloads"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Home":
        """Return what `KAFKA_ML_HOME` names, or `.kafkaml` in the current directory."""
        named = environment.get(HOME_VARIABLE)
        return cls(Path(named).expanduser() if named else Path.cwd() / ".kafkaml")

    def part(self, name: str) -> Path:
        """Return the folder of a part: its process, its log, its data."""
        return self.path / name

    def make(self) -> None:
        """Make the folder, its secrets and its ports, unless they are there."""
        make_private_folder(self.path)
        (self.path / ".gitignore").write_text("*\n", encoding="utf-8")
        make_private_folder(self.artifacts)
        make_private_folder(self.workloads)
        if not self._secrets_file.exists():
            write_private(self._secrets_file, Secrets.make().model_dump_json(indent=2))
        if not self._ports_file.exists():
            self.write_ports(Ports())

    def secrets(self) -> Secrets:
        return _read(self._secrets_file, Secrets)

    def ports(self) -> Ports:
        return _read(self._ports_file, Ports)

    def write_ports(self, ports: Ports) -> None:
        write_private(self._ports_file, ports.model_dump_json(indent=2))

    @contextlib.contextmanager
    def lock(self, timeout: timedelta) -> Iterator[None]:
        """Let one command at a time change what runs."""
        make_private_folder(self.path)
        deadline = time.monotonic() + timeout.total_seconds()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not _try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise StateError(f"another command still works on {self.path}")
                time.sleep(LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path, kind: type[Content]) -> Content:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StateError(
            f"there is no platform in {path.parent}: start one with `kafkaml-local up`"
        ) from error
    except ValidationError as error:
        problems = "; ".join(each["msg"] for each in error.errors(include_input=False))
        raise StateError(f"{path} cannot be read: {problems}") from error
