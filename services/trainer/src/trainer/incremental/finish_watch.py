"""Whether a user wants a stream without an end to be finished."""

from threading import Event, Thread
from types import TracebackType
from typing import Self

from trainer.exceptions import TrainerError
from trainer.results.reporter import Reporter

LOOK_SECONDS = 2.0
END_SECONDS = 5.0


class FinishWatch:
    """Asks the API now and then, beside the training."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._closing = Event()
        self._is_wanted = False
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
        self._closing.set()
        self._thread.join(END_SECONDS)

    @property
    def is_wanted(self) -> bool:
        """Say so; raise AttemptOverError if the attempt no longer counts."""
        if self._error is not None:
            raise self._error
        return self._is_wanted

    def _run(self) -> None:
        while not self._is_wanted and not self._closing.wait(LOOK_SECONDS):
            try:
                training = self._reporter.order().training
            except TrainerError as e:
                self._error = e
                return
            self._is_wanted = training is not None and training.is_to_finish
