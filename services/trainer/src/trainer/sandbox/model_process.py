"""The model's process as the trainer sees it: build, then train, each within its time."""

from collections.abc import Callable
from typing import TypeVar

from kafkaml.schemas.attempts import EpochReport
from kafkaml.schemas.trainings import TrainingProgress
from trainer.config import TrainerSettings
from trainer.deadline import Deadline
from trainer.exceptions import (
    DeadlineError,
    DivergedError,
    FailedError,
    ModelCodeError,
    OutOfMemoryError,
    PlatformError,
)
from trainer.messages import (
    Build,
    Built,
    CheckpointWritten,
    EndStream,
    EpochDone,
    Failed,
    FitProgressed,
    Message,
    Ready,
    Report,
    StreamStarted,
    Train,
    Trained,
    TrainStream,
    Update,
)
from trainer.sandbox.sandbox import Sandbox

ReportT = TypeVar("ReportT", bound=Message)


class ModelProcess:
    """Runs one model's code in a sandbox, and raises what the child reports as failed."""

    def __init__(
        self, *, sandbox: Sandbox, order: Build, settings: TrainerSettings
    ) -> None:
        self._sandbox = sandbox
        self._settings = settings
        sandbox.send(order)

    def build(self) -> Built:
        """Return the built model's description; raise FailedError if there is none in time.

        Raise PlatformError if TensorFlow cannot be started, which is no fault of the model.
        """
        ready = self.receive(Deadline.after(self._settings.start_timeout_seconds))
        if not isinstance(ready, Ready):
            raise PlatformError("TensorFlow did not start in time: see the log")
        limit = self._settings.build_timeout_seconds
        built = self.receive(Deadline.after(limit))
        if built is None:
            raise ModelCodeError(
                f"building the model took longer than {limit:g} s: is there an endless "
                "loop, a download or a training in the source?"
            )
        return _expect(built, Built)

    def raise_if_lost(self) -> None:
        """Raise what happened to the process if it has ended."""
        self._sandbox.raise_if_lost()

    def begin(self, order: TrainStream, *, deadline: Deadline) -> StreamStarted:
        """Let updates follow; return where an attempt before had come to."""
        self._sandbox.send(order)
        started = self.receive(deadline)
        if started is None:
            raise DeadlineError("the model's process did not take its order in time")
        return _expect(started, StreamStarted)

    def send(self, command: Update | EndStream) -> None:
        """Send what follows in a stream."""
        self._sandbox.send(command)

    def train(
        self,
        order: Train,
        *,
        deadline: Deadline,
        on_progress: Callable[[TrainingProgress], None],
        on_epoch: Callable[[EpochReport], None],
        on_checkpoint: Callable[[CheckpointWritten], None],
    ) -> Trained:
        """Train and return the result; raise FailedError if there is none by the deadline.

        `on_progress` is called after the first step and then about once a second,
        `on_epoch` after each epoch, `on_checkpoint` when there is a new `CHECKPOINT_FILE`.
        """
        self._sandbox.send(order)
        while True:
            report = self.receive(deadline)
            # Reports without an end do not keep a training alive.
            is_late = deadline.passed and not isinstance(report, Trained)
            if report is None or is_late:
                limit = order.parameters.deadline_seconds
                raise DeadlineError(
                    f"the training took longer than {limit} s: raise "
                    "deadline_seconds, or use fewer epochs or a smaller model"
                )
            if isinstance(report, FitProgressed):
                on_progress(report.report)
            elif isinstance(report, EpochDone):
                on_epoch(report.report)
            elif isinstance(report, CheckpointWritten):
                on_checkpoint(report)
            else:
                return _expect(report, Trained)

    def receive(self, deadline: Deadline) -> Report | None:
        """Return the next report, or None if there is none until the deadline.

        Raise FailedError if the model's code cannot go on.
        """
        report = self._sandbox.receive(deadline)
        if isinstance(report, Failed):
            raise _error_of(report)
        return report


def _expect(report: Report, kind: type[ReportT]) -> ReportT:
    if isinstance(report, kind):
        return report
    raise ModelCodeError(f"the model's process reported {report.kind} out of order")


def _error_of(report: Failed) -> FailedError:
    match report.reason:
        case "oom":
            return OutOfMemoryError(report.message, line=report.line)
        case "diverged":
            return DivergedError(report.message, kept=report.kept)
        case "model_code":
            return ModelCodeError(report.message, line=report.line)
