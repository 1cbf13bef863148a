"""Real data that tests use and the repository does not hold."""

import os
from pathlib import Path

import pytest

FOLDER_VARIABLE = "KAFKA_ML_TEST_DATA"
BESIDE = Path(__file__).parents[3] / "shared" / "data"


def data_set(name: str) -> Path:
    """Return the path of a file in the folder of data; skip the test without it."""
    path = Path(os.environ.get(FOLDER_VARIABLE, BESIDE)) / name
    if not path.is_file():
        pytest.skip(f"{name} is not there: {FOLDER_VARIABLE} can name its folder")
    return path
