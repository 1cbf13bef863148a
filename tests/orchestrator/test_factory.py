import subprocess
import sys

import pytest

from orchestrator.config import Settings
from orchestrator.exceptions import SettingsError
from orchestrator.factory import build

INSIDE = {"url": "http://api:8000", "bootstrap_servers": "kafka:9092"}
LIBRARIES = {"aiodocker", "kubernetes_asyncio"}


async def test_without_a_token_it_says_so() -> None:
    with pytest.raises(SettingsError, match="KAFKA_ML_TOKEN"):
        async with build(Settings()):
            pass


@pytest.mark.parametrize("executor", ["docker", "kubernetes"])
@pytest.mark.parametrize(
    ("variable", "addresses"),
    [
        ("KAFKA_ML_URL", {"url": "http://localhost:8000"}),
        ("KAFKA_ML_URL", {"url": "http://[::1]:8000"}),
        ("KAFKA_ML_BOOTSTRAP_SERVERS", {"bootstrap_servers": "kafka:9092,127.0.0.1:9092"}),
    ],
)
async def test_addresses_that_a_container_takes_for_its_own_are_refused(
    executor: str, variable: str, addresses: dict[str, str]
) -> None:
    settings = Settings.model_validate(
        {"executor": executor, "token": "secret", **INSIDE, **addresses}
    )
    with pytest.raises(SettingsError, match=f"^{variable} "):
        async with build(settings):
            pass


def test_only_the_library_of_the_chosen_executor_is_loaded() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, orchestrator.main; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    assert not LIBRARIES & set(loaded)
