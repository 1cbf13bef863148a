import subprocess
import sys
from pathlib import Path

import pytest

from .project import ROOT, SECRETS

SCRIPT = "make_env.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    for name in (f"scripts/{SCRIPT}", ".env.example"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def make(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, checkout / "scripts" / SCRIPT],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


def values(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_each_secret_is_made_anew_for_its_owner_s_eyes(checkout: Path) -> None:
    assert make(checkout).returncode == 0
    path = checkout / ".env"
    assert path.stat().st_mode & 0o777 == 0o600
    made = values(path.read_text())
    assert set(made) == set(SECRETS)
    assert len(set(made.values())) == len(SECRETS)
    assert all(len(secret) == 64 and secret.isalnum() for secret in made.values())


def test_settings_that_are_there_are_never_replaced(checkout: Path) -> None:
    (checkout / ".env").write_text("KAFKA_ML_ADMIN_TOKEN=mine\n")
    assert make(checkout).returncode != 0
    assert (checkout / ".env").read_text() == "KAFKA_ML_ADMIN_TOKEN=mine\n"


def test_the_example_holds_no_secret_and_git_takes_none() -> None:
    example = values((ROOT / ".env.example").read_text())
    assert example == dict.fromkeys(SECRETS, "")
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_example_shows_the_settings_of_the_file_and_their_defaults() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    lines = (ROOT / ".env.example").read_text().splitlines()
    shown = dict(
        line[1:].split("=", 1) for line in lines if line[:1] == "#" and "=" in line
    )
    shown.pop("COMPOSE_PROJECT_NAME")
    for name, default in shown.items():
        assert f"${{{name}:-{default}}}" in compose, name
    for name in SECRETS:
        assert f"${{{name}:?" in compose
