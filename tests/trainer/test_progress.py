"""Progress: measured in the child, told beside the fit by the trainer."""

from threading import Event
from typing import Any

import pytest

from kafkaml.exceptions import ProblemError
from kafkaml.schemas.attempts import EpochReport, ProgressReport
from kafkaml.schemas.problems import Problem
from kafkaml.schemas.trainings import TrainingProgress
from tests.trainer.orders import training_order
from trainer.exceptions import AttemptOverError, ModelCodeError
from trainer.fit.pace import Extent, Pace
from trainer.results.background_reporter import BackgroundReporter
from trainer.results.reporter import Reporter
from trainer.testing import InMemoryAttempts

SECONDS = 20.0
EXTENT = Extent(epochs=2, steps=10, batch_size=32, records=300)


def test_the_pace_is_told_once_a_second() -> None:
    pace = Pace(EXTENT)
    first = pace.progress(1, 1, at=100.0)
    assert first == TrainingProgress(epoch=1, step=1, steps=10)
    assert pace.progress(1, 2, at=100.9) is None
    second = pace.progress(1, 3, at=101.0)
    assert second is not None
    assert second.records_per_second == 64
    assert second.eta_seconds == 8.5  # 17 steps of half a second
    third = pace.progress(2, 1, at=103.0)
    assert third is not None
    assert third.records_per_second == (300 - 96 + 32) / 2
    assert third.eta_seconds == pytest.approx(9 * 3 / 10, abs=0.1)


def test_steps_that_run_as_one_end_with_the_epoch() -> None:
    pace = Pace(EXTENT)
    pace.progress(2, 4, at=0.0)
    last = pace.progress(2, 12, at=3.0)
    assert last is not None
    assert (last.step, last.eta_seconds) == (10, 0)


def test_fits_to_follow_count_as_time_still_to_come() -> None:
    pace = Pace(Extent(epochs=1, steps=4, batch_size=1, records=4, fits_to_follow=2))
    pace.progress(1, 1, at=0.0)
    later = pace.progress(1, 3, at=2.0)
    assert later is not None
    assert later.eta_seconds == 1 + 4 + 4


class SlowAttempts(InMemoryAttempts):
    """An API that is away until `back` is set, and refuses progress if told so."""

    def __init__(self, *, refuses_progress: bool = False, **more: Any) -> None:
        super().__init__(training_order("control"), **more)
        self.back = Event()
        self._refuses_progress = refuses_progress

    def epoch(self, report: EpochReport) -> None:
        assert self.back.wait(SECONDS)
        super().epoch(report)

    def progress(self, report: ProgressReport) -> None:
        assert self.back.wait(SECONDS)
        if self._refuses_progress:
            raise ProblemError(
                Problem(type="about:blank", title="Refused", status=422, detail="no")
            )
        super().progress(report)


def epoch(number: int) -> EpochReport:
    return EpochReport(epoch=number, values={"loss": 1.0})


def step(number: int) -> TrainingProgress:
    return TrainingProgress(epoch=1, step=number, steps=1000)


def test_an_api_that_is_away_delays_no_call_and_loses_no_epoch() -> None:
    attempts = SlowAttempts()
    with BackgroundReporter(Reporter(attempts)) as background:
        for number in range(1, 501):
            background.progress(step(number))
            background.epoch(epoch(number))
        assert not attempts.epochs
        attempts.back.set()
    assert [each.epoch for each in attempts.epochs] == list(range(1, 501))
    assert len(attempts.steps) <= 2  # progress that is outdated is not told


def test_the_newest_progress_is_told() -> None:
    attempts = SlowAttempts()
    told = Event()
    attempts.steps = Watched(told, wanted=9)
    with BackgroundReporter(Reporter(attempts)) as background:
        for number in range(10):
            background.progress(step(number))
        attempts.back.set()
        assert told.wait(SECONDS)
    assert attempts.steps[-1] == step(9)


class Watched(list[TrainingProgress]):
    """A list that says when a step has come."""

    def __init__(self, told: Event, *, wanted: int) -> None:
        super().__init__()
        self._told = told
        self._wanted = wanted

    def append(self, item: TrainingProgress) -> None:
        super().append(item)
        if item.step == self._wanted:
            self._told.set()


def test_progress_that_is_refused_ends_nothing() -> None:
    attempts = SlowAttempts(refuses_progress=True)
    attempts.back.set()
    with BackgroundReporter(Reporter(attempts)) as background:
        background.progress(step(1))
        background.epoch(epoch(1))
    assert [each.epoch for each in attempts.epochs] == [1]


def report_and_raise(attempts: InMemoryAttempts, error: BaseException) -> None:
    with BackgroundReporter(Reporter(attempts)) as background:
        for number in range(1, 4):
            background.epoch(epoch(number))
        raise error


def test_epochs_of_a_fit_that_failed_are_told_all_the_same() -> None:
    attempts = SlowAttempts()
    attempts.back.set()
    with pytest.raises(ModelCodeError):
        report_and_raise(attempts, ModelCodeError("no"))
    assert [each.epoch for each in attempts.epochs] == [1, 2, 3]


def test_an_attempt_that_is_over_ends_the_fit_at_the_next_report() -> None:
    attempts = SlowAttempts(over_after="step")
    attempts.back.set()

    def report_until_told() -> None:
        with BackgroundReporter(Reporter(attempts)) as background:
            for number in range(10_000_000):
                background.progress(step(number))

    with pytest.raises(AttemptOverError):
        report_until_told()


def test_what_is_waiting_is_let_go_when_the_trainer_is_stopped() -> None:
    attempts = SlowAttempts()
    with pytest.raises(SystemExit):
        report_and_raise(attempts, SystemExit())
    attempts.back.set()
    assert len(attempts.epochs) <= 1
