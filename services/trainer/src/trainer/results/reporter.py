"""What an attempt tells the API, and what the API's answers mean for the attempt."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from kafkaml.exceptions import ClientError, ProblemError
from kafkaml.schemas.attempts import (
    CheckReport,
    EpochReport,
    FailureReport,
    Order,
    ProgressReport,
    ResultReport,
)
from kafkaml.schemas.incremental import ImprovementReport
from kafkaml.schemas.trainings import Artifact, ArtifactFormat, TrainingProgress
from trainer.exceptions import AttemptOverError, PlatformError


class Attempts(Protocol):
    """The calls of the API that an attempt makes; each waits for an API that is away."""

    def order(self) -> Order: ...

    def progress(self, report: ProgressReport) -> None: ...

    def epoch(self, report: EpochReport) -> None: ...

    def upload_artifact(self, source: Path | BinaryIO) -> Artifact: ...

    def improvement(self, report: ImprovementReport) -> None: ...

    def upload_export(self, path: Path, format: ArtifactFormat) -> Artifact: ...  # noqa: A002  the API's word

    def upload_checkpoint(self, file: BinaryIO) -> Artifact: ...

    def download_checkpoint(self, path: Path) -> Path: ...

    def result(self, report: ResultReport) -> None: ...

    def check(self, report: CheckReport) -> None: ...

    def failure(self, report: FailureReport) -> None: ...


class Reporter:
    """Reports to the API.

    Every method raises AttemptOverError if the attempt no longer counts, and PlatformError
    if the API stayed away or refused the report for another reason.
    """

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    def order(self) -> Order:
        with _translated_errors():
            return self._attempts.order()

    def progress(self, state: str, *, progress: TrainingProgress | None = None) -> None:
        with _translated_errors():
            self._attempts.progress(ProgressReport(state=state, progress=progress))

    def epoch(self, report: EpochReport) -> None:
        with _translated_errors():
            self._attempts.epoch(report)

    def artifact(self, path: Path) -> Artifact:
        with _translated_errors():
            return self._attempts.upload_artifact(path)

    def improvement(self, file: BinaryIO, report: ImprovementReport) -> None:
        """Upload a model and publish it; `artifact_sha256` is filled in."""
        with _translated_errors():
            artifact = self._attempts.upload_artifact(file)
            report = report.model_copy(update={"artifact_sha256": artifact.sha256})
            self._attempts.improvement(report)

    def export(self, path: Path, wanted: ArtifactFormat) -> Artifact:
        """Upload the model in another format; PlatformError says that it is refused."""
        with _translated_errors():
            return self._attempts.upload_export(path, wanted)

    def checkpoint(self, file: BinaryIO) -> Artifact:
        """Upload a checkpoint; an API that is away gets the next one instead."""
        with _translated_errors():
            return self._attempts.upload_checkpoint(file)

    def fetch_checkpoint(self, path: Path) -> None:
        with _translated_errors():
            self._attempts.download_checkpoint(path)

    def result(self, report: ResultReport) -> None:
        with _translated_errors():
            self._attempts.result(report)

    def check(self, report: CheckReport) -> None:
        with _translated_errors():
            self._attempts.check(report)

    def failure(self, report: FailureReport) -> None:
        with _translated_errors():
            self._attempts.failure(report)


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except ProblemError as e:
        if e.problem.code == "attempt-over":
            raise AttemptOverError(str(e)) from e
        raise PlatformError(f"the API refused: {e}") from e
    except ClientError as e:
        raise PlatformError(f"the API cannot be reached: {e}") from e
