"""What a model's file says about itself, read without TensorFlow."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from kafkaml.descriptions import (
    DESCRIPTION_MEMBER,
    ModelDescription,
    TensorSignature,
    read_description,
)
from kafkaml.exceptions import FormatError
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.trainings import SplitCounts

DESCRIPTION = ModelDescription(
    training_id=7,
    attempt=2,
    input=TensorSignature(name="record", dtype="float32", shape=[None, 8]),
    output=None,
    stream={"topic": "digits:0:0:100", "input_format": "RAW"},
    counts=SplitCounts(training=80, validation=10, test=10),
    parameters=TrainingParameters(seed=3, exports=[]),
    versions={"keras": "3"},
)


def test_a_description_is_read_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert read_description(path) is None
    with ZipFile(path, "a") as archive:
        archive.writestr(DESCRIPTION_MEMBER, DESCRIPTION.model_dump_json())
    assert read_description(path) == DESCRIPTION


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"model\.keras has no readable description"):
        read_description(path)


def test_a_forged_description_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with ZipFile(path, "w") as archive:
        archive.writestr(DESCRIPTION_MEMBER, "{}")
    with pytest.raises(FormatError, match="training_id"):
        read_description(path)
