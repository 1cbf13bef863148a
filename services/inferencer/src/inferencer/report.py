"""What a replica says to the API and hears from it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from inferencer.exceptions import (
    AttemptOverError,
    AttemptRefusedError,
    UnusableOrderError,
)
from inferencer.pace import Backoff
from kafkaml.exceptions import ApiUnavailableError, ClientError, ProblemError
from kafkaml.schemas.attempts import (
    FailureReport,
    InferenceOrder,
    Order,
    PauseReport,
    ProgressReport,
)
from kafkaml.schemas.engines import EngineReport
from kafkaml.schemas.predictions import AddressReport
from kafkaml.schemas.served_models import RefusalReport
from kafkaml.schemas.statistics import StatisticsReport
from kafkaml.schemas.trainings import ArtifactFormat

log = structlog.get_logger()

AnswerT = TypeVar("AnswerT")


class Attempts(Protocol):
    """The part of the client that an attempt needs."""

    def order(self) -> Order: ...
    def download_artifact(
        self,
        path: Path,
        format: ArtifactFormat = ArtifactFormat.KERAS,  # noqa: A002  the API's word
        *,
        sha256: str | None = None,
    ) -> object: ...
    def progress(self, report: ProgressReport) -> object: ...
    def pause(self, report: PauseReport) -> object: ...
    def statistics(self, report: StatisticsReport) -> object: ...
    def address(self, report: AddressReport) -> object: ...
    def failure(self, report: FailureReport) -> object: ...
    def refusal(self, report: RefusalReport) -> object: ...


class Reporter:
    """Calls the API until it answers or the replica is told to stop."""

    def __init__(self, *, attempts: Attempts, replica: int, stop: threading.Event) -> None:
        self._attempts = attempts
        self._replica = replica
        self._stop = stop
        self._serving = threading.Event()
        self._engine: EngineReport | None = None
        self._revision = 1
        self.over: AttemptOverError | AttemptRefusedError | None = None

    def order(self) -> Order:
        """Return the order; raise AttemptOverError if there is none any more."""
        return self._answered(self._attempts.order)

    def inference_order(self) -> InferenceOrder:
        """Return the order; raise AttemptRefusedError if it is for something else."""
        order = self.order().inference
        if order is None:
            raise AttemptRefusedError("the order is not for an inference")
        return order

    def download_artifact(
        self,
        path: Path,
        format: ArtifactFormat = ArtifactFormat.KERAS,  # noqa: A002  the API's word
        *,
        sha256: str | None = None,
    ) -> None:
        """Store the model file at `path`; raise ProblemError if there is none."""
        self._answered(
            lambda: self._attempts.download_artifact(path, format, sha256=sha256)
        )

    def failed(self, error: UnusableOrderError) -> None:
        """Report that the order cannot be carried out."""
        report = FailureReport(reason=error.reason, message=str(error)[:10_000])
        try:
            self._answered(lambda: self._attempts.failure(report))
        except ProblemError as e:
            log.warning("the failure was not accepted", problem=str(e))

    def uses(self, engine: EngineReport | None, *, revision: int = 1) -> None:
        """Tell whose models answer, and how, with the news that records are answered.

        Where that is known already, tell it in the background.
        """
        self._engine = engine
        self._revision = revision
        if self._serving.is_set():
            self._report_in_background()

    def refuses(self, revision: int, reason: str) -> None:
        """Report that the models of a revision cannot be served."""
        report = RefusalReport(
            replica=self._replica, revision=revision, reason=reason[:10_000]
        )
        self._answered(lambda: self._attempts.refusal(report))

    def serving(self) -> None:
        """Report once, in the background, that records are answered from now on."""
        if self._serving.is_set():
            return
        self._serving.set()
        self._report_in_background()

    def end(self, error: AttemptOverError | AttemptRefusedError) -> None:
        """Stop the replica, for its reports are not wanted any more."""
        self.over = error
        self._stop.set()

    def _report_in_background(self) -> None:
        threading.Thread(target=self._report_serving, name="report", daemon=True).start()

    def is_at(self, report: AddressReport) -> bool:
        """Tell where the replica is asked over HTTP; return whether it is to tell again."""
        try:
            self._answered(lambda: self._attempts.address(report))
        except (AttemptOverError, AttemptRefusedError) as e:
            log.info("the address is of no use any more", reason=str(e))
            return False
        except ClientError as e:
            log.warning("the address was not accepted", error=str(e))
        return True

    def counts(self, report: StatisticsReport) -> None:
        """Tell what is counted; that this fails does no harm, for more will follow."""
        try:
            self._attempts.statistics(report)
        except ClientError as e:
            log.info("statistics not told", error=str(e))

    def paused(self, report: PauseReport) -> None:
        """Report, in the background, that no records are taken until a resumption."""
        threading.Thread(
            target=self._report_paused, args=(report,), name="report", daemon=True
        ).start()

    def wait(self, seconds: float) -> bool:
        """Wait; return whether the replica was told to stop."""
        return self._stop.wait(seconds)

    def _report_paused(self, report: PauseReport) -> None:
        try:
            self._answered(lambda: self._attempts.pause(report))
        except (AttemptOverError, AttemptRefusedError) as e:
            self.end(e)
        except ClientError as e:
            self.end(AttemptRefusedError(str(e)))

    def _report_serving(self) -> None:
        report = ProgressReport(
            state="serving",
            replica=self._replica,
            engine=self._engine,
            revision=self._revision,
        )
        try:
            self._answered(lambda: self._attempts.progress(report))
        except (AttemptOverError, AttemptRefusedError) as e:
            self.end(e)
        except ClientError as e:
            self.end(AttemptRefusedError(str(e)))

    def _answered(self, call: Callable[[], AnswerT]) -> AnswerT:
        backoff = Backoff()
        while True:
            try:
                return call()
            except ApiUnavailableError as e:
                pause = backoff.seconds()
                log.warning("the API is away, trying again", error=str(e), seconds=pause)
            except ProblemError as e:
                _raise_lasting(e)
                pause = backoff.seconds()
                log.warning("the API failed, trying again", error=str(e), seconds=pause)
            if self._stop.wait(pause):
                raise AttemptOverError("told to stop while the API was away")


def _raise_lasting(error: ProblemError) -> None:
    """Raise what a refusal means, unless it is a failure that may pass."""
    if error.problem.code == "attempt-over":
        raise AttemptOverError(str(error)) from error
    if error.problem.status in {401, 403}:
        raise AttemptRefusedError(str(error)) from error
    if error.problem.status < 500:
        raise error
