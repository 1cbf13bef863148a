import hashlib
from pathlib import Path

import pytest

from inferencer.artifact import DOWNLOADS, fetch_artifact
from inferencer.exceptions import ArtifactDataError
from kafkaml.exceptions import ClientError, ProblemError
from kafkaml.schemas.problems import Problem
from kafkaml.schemas.states import ExitCode, FailureReason
from kafkaml.schemas.trainings import Artifact, ArtifactFormat

CONTENT = b"a model"
ARTIFACT = Artifact(size_bytes=7, sha256=hashlib.sha256(CONTENT).hexdigest())


class Source:
    """Gives one answer after the other."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)

    def download_artifact(
        self,
        path: Path,
        format: ArtifactFormat = ArtifactFormat.KERAS,  # noqa: A002, ARG002  the API's word
        *,
        sha256: str | None = None,  # noqa: ARG002
    ) -> None:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        path.write_bytes(answer)


def test_a_whole_file_is_kept(tmp_path: Path) -> None:
    fetch_artifact(Source(CONTENT), ARTIFACT, tmp_path / "model.keras")

    assert (tmp_path / "model.keras").read_bytes() == CONTENT


def test_a_file_damaged_on_the_way_is_fetched_again(tmp_path: Path) -> None:
    source = Source(b"half", ClientError("cut off"), CONTENT)

    fetch_artifact(source, ARTIFACT, tmp_path / "model.keras")

    assert (tmp_path / "model.keras").read_bytes() == CONTENT


def test_a_file_that_stays_damaged_is_given_up(tmp_path: Path) -> None:
    source = Source(*[b"other"] * DOWNLOADS)

    with pytest.raises(ArtifactDataError, match="SHA-256") as caught:
        fetch_artifact(source, ARTIFACT, tmp_path / "model.keras")

    assert caught.value.reason == FailureReason.ARTIFACT
    assert caught.value.exit_code == ExitCode.DATA


def test_a_missing_file_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    missing = ProblemError(
        Problem(
            type="urn:kafka-ml:problem:not-found", title="No", status=404, detail="gone"
        )
    )

    with pytest.raises(ArtifactDataError, match=r"missing.*gone.*retry the training"):
        fetch_artifact(Source(*[missing] * DOWNLOADS), ARTIFACT, tmp_path / "m")
