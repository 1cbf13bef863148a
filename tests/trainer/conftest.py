"""What the tests of the trainer share."""

from pathlib import Path

import pytest

from trainer.config import TrainerSettings


@pytest.fixture
def settings(tmp_path: Path) -> TrainerSettings:
    """Settings of an attempt that soon gives up on data that is missing."""
    folder = tmp_path / "work"
    folder.mkdir()
    return TrainerSettings(work_directory=folder, data_patience_seconds=1)
