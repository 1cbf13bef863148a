"""The API as the process that a platform runs, with its relay."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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


@contextmanager
def running_api(
    *, database_url: str, bootstrap_servers: str, folder: Path
) -> Iterator[ApiProcess]:
    """Run migrations, the API and the relay until the context ends."""
    port = free_port()
    environment = {
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
    subprocess.run(
        [sys.executable, "-m", "api.migrate"],
        env=environment,
        check=True,
        timeout=MIGRATE_SECONDS,
    )
    with ExitStack() as stack:
        for module in ("api.main", "api.relay"):
            stack.enter_context(_running(module, environment))
        yield ApiProcess(url=f"http://127.0.0.1:{port}")


@contextmanager
def _running(module: str, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", module], env=environment)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait(STOP_SECONDS)
