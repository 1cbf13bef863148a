"""The examples run as they are, on real data and with few epochs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.data_sets import data_set
from tests.support.platform import RunningPlatform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(platform: RunningPlatform, script: str, data: str, *arguments: str) -> str:
    """Run a script of the examples as a user would; return what it prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KAFKA_ML_")}
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, "--data", data_set(data), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
        env=kept
        | {
            "COLUMNS": "120",
            "KAFKA_ML_URL": platform.url,
            "KAFKA_ML_TOKEN": platform.token,
            "KAFKA_ML_BOOTSTRAP_SERVERS": platform.bootstrap_servers,
        },
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def numbers(text: str, row: str) -> list[float]:
    """Return the numbers of the row of a table that begins with a text."""
    (found,) = re.findall(rf"^ *{re.escape(row)} +(.*)$", text, re.MULTILINE)
    return [float(each) for each in found.split() if each not in {"-", "±"}]


def test_the_published_experiment(platform: RunningPlatform) -> None:
    shown = run(
        platform, "copd/experiment.py", "hcopd.csv", "--rounds", "1", "--epochs", "2"
    )
    assert numbers(shown, "stratified: training") == [128, 63]
    assert numbers(shown, "stratified: test") == [32, 16]
    assert "with streams, containers: left out" in shown
    table_1, _, table_2 = shown.partition("Table II")
    *_, first_step, fit, end_to_end = numbers(table_1, "with streams")
    assert 0 < first_step < end_to_end
    assert 0 < fit < end_to_end
    assert len(numbers(table_2, "with streams")) == 4
    assert len(numbers(shown, "5 folds, accuracy")) == 4


def test_the_soft_sensor_beats_what_needs_no_model(platform: RunningPlatform) -> None:
    shown = run(
        platform,
        "soft-sensor/sensor.py",
        "no3_soft_sensor.csv",
        *("--rows", "20000", "--epochs", "3"),
    )
    model = numbers(shown, "the model")
    for baseline in ("always the mean", "the value before (needs an analyser)"):
        assert model[1] < numbers(shown, baseline)[1], "its RMSE is lower"
    percentiles = numbers(shown, "mg/l")
    assert percentiles == sorted(percentiles)
