import threading
from pathlib import Path

import pytest

from inferencer.exceptions import (
    ArtifactDataError,
    AttemptOverError,
    AttemptRefusedError,
)
from inferencer.report import Reporter
from inferencer.testing import MemoryAttempts
from kafkaml.exceptions import ApiUnavailableError, ProblemError
from kafkaml.schemas.attempts import FailureReport, Order, PauseReport, ProgressReport
from kafkaml.schemas.engines import EngineName, EngineReport
from kafkaml.schemas.predictions import AddressReport
from kafkaml.schemas.problems import PROBLEM_TYPE_PREFIX, Problem
from kafkaml.schemas.served_models import RefusalReport
from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.statistics import StatisticsReport
from kafkaml.schemas.trainings import ArtifactFormat

from .orders import inference_order, order_of


def problem(code: str, status: int) -> ProblemError:
    return ProblemError(
        Problem(type=PROBLEM_TYPE_PREFIX + code, title=code, status=status, detail="")
    )


class TroubledAttempts:
    """Raises each error once, then does what is asked."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.inner = MemoryAttempts(order=order_of(inference_order()))

    def order(self) -> Order:
        self.trouble()
        return self.inner.order()

    def download_artifact(
        self,
        path: Path,
        format: ArtifactFormat = ArtifactFormat.KERAS,  # noqa: A002  the API's word
        *,
        sha256: str | None = None,
    ) -> None:
        self.trouble()
        self.inner.download_artifact(path, format, sha256=sha256)

    def progress(self, report: ProgressReport) -> None:
        self.trouble()
        self.inner.progress(report)

    def failure(self, report: FailureReport) -> None:
        self.trouble()
        self.inner.failure(report)

    def refusal(self, report: RefusalReport) -> None:
        self.trouble()
        self.inner.refusal(report)

    def pause(self, report: PauseReport) -> None:
        self.trouble()
        self.inner.pause(report)

    def statistics(self, report: StatisticsReport) -> None:
        self.trouble()
        self.inner.statistics(report)

    def address(self, report: AddressReport) -> None:
        self.trouble()
        self.inner.address(report)

    def trouble(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


def reporter_of(
    attempts: TroubledAttempts, stop: threading.Event | None = None
) -> Reporter:
    return Reporter(attempts=attempts, replica=2, stop=stop or threading.Event())


def test_an_api_that_is_away_is_waited_for() -> None:
    attempts = TroubledAttempts(ApiUnavailableError("away"), problem("internal", 500))

    assert reporter_of(attempts).order().inference == inference_order()


def test_waiting_ends_when_told_to_stop() -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(AttemptOverError):
        reporter_of(TroubledAttempts(ApiUnavailableError("away")), stop).order()


def test_an_attempt_that_is_over_is_told_from_one_that_is_refused() -> None:
    with pytest.raises(AttemptOverError):
        reporter_of(TroubledAttempts(problem("attempt-over", 409))).order()
    with pytest.raises(AttemptRefusedError):
        reporter_of(TroubledAttempts(problem("token-invalid", 401))).order()
    with pytest.raises(ProblemError):
        reporter_of(TroubledAttempts(problem("not-found", 404))).order()


def test_serving_is_reported_once_and_in_the_background() -> None:
    attempts = TroubledAttempts(ApiUnavailableError("away"))
    reporter = reporter_of(attempts)

    reporter.serving()
    reporter.serving()

    assert attempts.inner.reported_serving.wait(60)
    assert attempts.inner.progress_reports == [
        ProgressReport(state="serving", replica=2, revision=1)
    ]


def test_the_engine_is_told_with_the_first_report() -> None:
    attempts = TroubledAttempts()
    reporter = reporter_of(attempts)
    engine = EngineReport(name=EngineName.LITERT, call_milliseconds={"1": 0.01})

    reporter.uses(engine)
    assert not attempts.inner.progress_reports
    reporter.serving()

    assert attempts.inner.reported_serving.wait(60)
    [report] = attempts.inner.progress_reports
    assert report.engine == engine


def test_a_replica_whose_attempt_is_over_stops_when_it_reports() -> None:
    stop = threading.Event()
    reporter = reporter_of(TroubledAttempts(problem("attempt-over", 409)), stop)

    reporter.serving()

    assert stop.wait(60)
    assert isinstance(reporter.over, AttemptOverError)


def test_a_failure_is_reported_with_reason_and_text() -> None:
    attempts = TroubledAttempts()

    reporter_of(attempts).failed(ArtifactDataError("no file"))

    [report] = attempts.inner.failure_reports
    assert report == FailureReport(reason=FailureReason.ARTIFACT, message="no file")


def test_a_failure_that_is_not_accepted_does_no_harm() -> None:
    attempts = TroubledAttempts(problem("validation-failed", 422))

    reporter_of(attempts).failed(ArtifactDataError("no file"))

    assert not attempts.errors  # it was told once,
    assert not attempts.inner.failure_reports  # and not again
