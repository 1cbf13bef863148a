"""What the tests of the trainer share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainer.warm import Place, warm_standby
from trainer.config import TrainerSettings
from trainer.sandbox.standby import Standby


@pytest.fixture
def settings(tmp_path: Path) -> TrainerSettings:
    """Settings of an attempt that soon gives up on data that is missing."""
    folder = tmp_path / "work"
    folder.mkdir()
    return TrainerSettings(work_directory=folder, data_patience_seconds=1)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """TensorFlow imported once, for all attempts that say nothing about a cold start."""
    with warm_standby(tmp_path_factory.mktemp("standby") / "log") as found:
        yield found


@pytest.fixture(scope="session")
def standby(place: Place) -> Standby:
    return place[0]
