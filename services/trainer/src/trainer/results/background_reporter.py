"""Reporting beside a fit, so that it never waits for the API."""

from collections import deque
from threading import Condition, Thread
from types import TracebackType
from typing import Self

import structlog

from kafkaml.schemas.attempts import EpochReport
from kafkaml.schemas.trainings import TrainingProgress
from trainer.exceptions import AttemptOverError, FailedError, TrainerError
from trainer.results.reporter import Reporter

MAX_WAITING_EPOCHS = 10_000

logger = structlog.get_logger()


class BackgroundReporter:
    """Reports epochs, in order and each of them, and of the progress the newest.

    Leaving the context waits until every epoch is told, if the fit ended or failed. An
    attempt that no longer counts, or an epoch that cannot be told, is raised by the next
    call; progress that cannot be told is not missed.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._changed = Condition()
        self._epochs: deque[EpochReport] = deque()
        self._progress: TrainingProgress | None = None
        self._is_closing = False
        self._error: TrainerError | None = None
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        is_wanted = error is None or isinstance(error, FailedError)
        with self._changed:
            self._is_closing = True
            if not is_wanted:
                self._epochs.clear()
            self._changed.notify_all()
        if is_wanted:
            self._thread.join()
            self._raise_error()

    def epoch(self, report: EpochReport) -> None:
        """Tell an epoch later; wait only while very many are still to be told."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._error or len(self._epochs) < MAX_WAITING_EPOCHS
            )
            self._epochs.append(report)
            self._changed.notify_all()
        self._raise_error()

    def progress(self, progress: TrainingProgress) -> None:
        """Tell the progress later, unless there is a newer one by then."""
        with self._changed:
            self._progress = progress
            self._changed.notify_all()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while self._await_something():
                self._tell()
        except TrainerError as e:
            with self._changed:
                self._error = e
                self._changed.notify_all()

    def _await_something(self) -> bool:
        """Return once there is something to tell; False if there never will be."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._epochs or self._progress or self._is_closing
            )
            if self._is_closing:
                self._progress = None  # nobody needs it any more
            return bool(self._epochs or self._progress)

    def _tell(self) -> None:
        with self._changed:
            progress, self._progress = self._progress, None
            epoch = self._epochs.popleft() if self._epochs else None
            self._changed.notify_all()
        if epoch is not None:
            self._reporter.epoch(epoch)
        if progress is not None:
            self._tell_progress(progress)

    def _tell_progress(self, progress: TrainingProgress) -> None:
        try:
            self._reporter.progress("training", progress=progress)
        except AttemptOverError:
            raise
        except TrainerError as e:
            logger.warning("the progress could not be told", reason=str(e))
