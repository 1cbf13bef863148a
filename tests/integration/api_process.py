"""The API as the process that a platform runs, with its relay."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafkaml_local.ports import free_port

ADMIN = "kml_" + "a" * 40
ORCHESTRATOR = "kml_" + "b" * 40
CONTROL_LOGGER = "kml_" + "c" * 40

MIGRATE_SECONDS = 120
STOP_SECONDS = 30


@dataclass(frozen=True)
class ApiProcess:
    url: str


class ApiServer:
    """An API that can be killed and started again, at one address."""

    def __init__(self, *, database_url: str, bootstrap_servers: str, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("KAFKA_ML_")},
            "KAFKA_ML_DATABASE_URL": database_url,
            "KAFKA_ML_BOOTSTRAP_SERVERS": bootstrap_servers,
            "KAFKA_ML_ARTIFACTS_URL": (folder / "artifacts").as_uri(),
            "KAFKA_ML_ADMIN_TOKEN": ADMIN,
            "KAFKA_ML_ORCHESTRATOR_TOKEN": ORCHESTRATOR,
            "KAFKA_ML_CONTROL_LOGGER_TOKEN": CONTROL_LOGGER,
            "KAFKA_ML_HOST": "127.0.0.1",
            "KAFKA_ML_PORT": str(port),
        }

    def migrate(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "api.migrate"],
            env=self.environment,
            check=True,
            timeout=MIGRATE_SECONDS,
        )

    @contextmanager
    def running(self, module: str = "api.main") -> Iterator["subprocess.Popen[bytes]"]:
        """Run a process of the API until the context ends."""
        process = subprocess.Popen([sys.executable, "-m", module], env=self.environment)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            finally:
                process.kill()
                process.wait(STOP_SECONDS)


@contextmanager
def running_api(
    *, database_url: str, bootstrap_servers: str, folder: Path
) -> Iterator[ApiProcess]:
    """Run migrations, the API and the relay until the context ends."""
    server = ApiServer(
        database_url=database_url, bootstrap_servers=bootstrap_servers, folder=folder
    )
    server.migrate()
    with server.running(), server.running("api.relay"):
        yield ApiProcess(url=server.url)
