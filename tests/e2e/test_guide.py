"""The programs of the guide to training run as they are, one after the other."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kafkaml.client import Client
from tests.e2e.scenarios import PATIENCE, deploy, stream
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

GUIDE = Path(__file__).parents[2] / "docs/training.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def run(platform: RunningPlatform, program: str, folder: Path) -> str:
    """Run a program as a user would; return what it prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KAFKA_ML_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=folder,
        env=kept
        | {
            "KAFKA_ML_URL": platform.url,
            "KAFKA_ML_TOKEN": platform.token,
            "KAFKA_ML_BOOTSTRAP_SERVERS": platform.bootstrap_servers,
        },
    )
    assert done.returncode == 0, f"{program}\n{done.stdout}{done.stderr}"
    return done.stdout


def program(part: str) -> str:
    """Return the one program that holds a text."""
    (found,) = (each for each in PROGRAMS if part in each)
    return str(found)


def metrics(printed: str, line: str) -> dict[str, float]:
    """Return the metrics that end the line that begins so."""
    (found,) = re.findall(rf"^{line}(\{{.*\}})$", printed, re.MULTILINE)
    return dict(ast.literal_eval(found))


def test_digits_are_cross_validated_and_learnt(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    printed = run(platform, program("digits-guide"), tmp_path)
    assert metrics(printed, "test ")["accuracy"] > 0.9
    assert "folds mean=0.9" in printed
    assert len(re.findall("^[0-9] [01]", printed, re.MULTILINE)) == 10


def test_a_stream_without_an_end_is_learnt_from(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    printed = run(platform, program("endless-guide"), tmp_path)
    assert "records=15360" in printed
    assert metrics(printed, "")["accuracy"] > 0.9


def test_a_model_is_downloaded_and_says_what_it_is(
    platform: RunningPlatform, client: Client, tmp_path: Path
) -> None:
    deployment = deploy(client, epochs=1)
    topic = stream(platform.bootstrap_servers, deployment)
    client.deployments.wait_finished(deployment.id, timeout=PATIENCE)
    expected = {"artifacts": "litert", "read_description": topic, "read_profile": "'0'"}
    for part, shown in expected.items():
        own = re.sub(
            r"(trainings\.\w+\()1\b", rf"\g<1>{deployment.trainings[0].id}", program(part)
        )
        assert shown in run(platform, own, tmp_path)


def test_every_program_was_run() -> None:
    assert len(PROGRAMS) == 5
