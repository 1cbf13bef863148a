"""An API for tests: gives one order, keeps all reports, and can refuse or be away."""

import hashlib
from pathlib import Path
from typing import BinaryIO

from kafkaml.exceptions import ProblemError
from kafkaml.schemas.attempts import (
    CheckReport,
    EpochReport,
    FailureReport,
    Order,
    ProgressReport,
    ResultReport,
)
from kafkaml.schemas.incremental import ImprovementReport
from kafkaml.schemas.problems import PROBLEM_TYPE_PREFIX, Problem
from kafkaml.schemas.trainings import Artifact, ArtifactFormat, TrainingProgress


class InMemoryAttempts:
    """The calls of an attempt, kept in lists; the steps of a fit in one of their own.

    `over_after` names the first call, such as `progress:training`, from which on the
    attempt no longer counts.
    """

    def __init__(self, order: Order, *, over_after: str | None = None) -> None:
        self._order = order
        self._over_after = over_after
        self._is_over = False
        self.calls: list[str] = []
        self.epochs: list[EpochReport] = []
        self.steps: list[TrainingProgress] = []
        self.model: bytes | None = None
        self.exports: dict[ArtifactFormat, bytes] = {}
        self.checkpoints: list[bytes] = []
        self.improvements: list[ImprovementReport] = []
        self.accepted_result: ResultReport | None = None
        self.accepted_check: CheckReport | None = None
        self.accepted_failure: FailureReport | None = None

    def order(self) -> Order:
        self._call("order")
        return self._order

    def finish(self) -> None:
        """Do what a user does to end a stream without an end."""
        training = self._order.training
        if training is not None:
            training = training.model_copy(update={"is_to_finish": True})
            self._order = self._order.model_copy(update={"training": training})

    def progress(self, report: ProgressReport) -> None:
        if report.progress is None:
            self._call(f"progress:{report.state}")
        else:
            self._check_live("step")
            self.steps.append(report.progress)

    def epoch(self, report: EpochReport) -> None:
        self._call("epoch")
        self.epochs.append(report)

    def upload_artifact(self, source: Path | BinaryIO) -> Artifact:
        self._check_live("artifact")
        if isinstance(source, Path):
            self.calls.append("artifact")
            self.model = source.read_bytes()
        else:
            self.model = source.read()
        digest = hashlib.sha256(self.model).hexdigest()
        return Artifact(size_bytes=len(self.model), sha256=digest)

    def upload_export(
        self,
        path: Path,
        format: ArtifactFormat,  # noqa: A002  the API's word
    ) -> Artifact:
        self._call(f"export:{format}")
        content = self.exports[format] = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return Artifact(format=format, size_bytes=len(content), sha256=digest)

    def improvement(self, report: ImprovementReport) -> None:
        self._check_live("improvement")
        self.improvements.append(report)

    def upload_checkpoint(self, file: BinaryIO) -> Artifact:
        self._check_live("checkpoint")
        file.seek(0)
        content = file.read()
        self.checkpoints.append(content)
        digest = hashlib.sha256(content).hexdigest()
        return Artifact(size_bytes=len(content), sha256=digest)

    def download_checkpoint(self, path: Path) -> Path:
        self._call("fetch")
        path.write_bytes(self.checkpoints[-1])
        return path

    def result(self, report: ResultReport) -> None:
        self._call("result")
        self.accepted_result = report

    def check(self, report: CheckReport) -> None:
        self._call("check")
        self.accepted_check = report

    def failure(self, report: FailureReport) -> None:
        self._call("failure")
        self.accepted_failure = report

    def _call(self, name: str) -> None:
        self._check_live(name)
        self.calls.append(name)

    def _check_live(self, name: str) -> None:
        self._is_over = self._is_over or name == self._over_after
        if self._is_over:
            raise ProblemError(
                Problem(
                    type=f"{PROBLEM_TYPE_PREFIX}attempt-over",
                    title="The attempt is over",
                    status=409,
                    detail="The training was stopped.",
                )
            )
