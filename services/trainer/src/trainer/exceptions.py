"""Errors of the trainer, and the exit code that each of them ends in.

TrainerError
├── AttemptOverError      the API has given the attempt up: 143
├── PlatformError         something that another attempt may get over: 5
├── CheckpointError       a checkpoint cannot be used; the fit begins anew
├── ExportError           a model cannot be made in a format; the training goes on
└── FailedError           the attempt cannot succeed, for a named reason
    ├── ModelCodeError    the model's source is at fault: 3
    ├── OutOfMemoryError  the model needs more memory than it may use: 3
    ├── DivergedError     the loss is no longer a number: 3
    ├── DeadlineError     the training took too long: 3
    ├── DiskError         there is no room for the records: 4
    └── StreamError       the announced records cannot be trained on: 4
"""

from kafkaml.schemas.states import ExitCode, FailureReason


class TrainerError(Exception):
    """Base of all errors that the trainer raises on purpose."""

    exit_code = ExitCode.RETRYABLE


class AttemptOverError(TrainerError):
    """The API no longer counts on this attempt."""

    exit_code = ExitCode.DRAINED


class PlatformError(TrainerError):
    """A part of the platform failed; the next attempt may do better."""


class CheckpointError(TrainerError):
    """A checkpoint is damaged, or that of another fit; it never ends an attempt."""


class ExportError(TrainerError):
    """A model cannot be made in a format; it never ends an attempt."""


class FailedError(TrainerError):
    """The attempt cannot succeed; `message` says why and what to do."""

    exit_code = ExitCode.MODEL_CODE

    def __init__(
        self, reason: FailureReason, message: str, *, line: int | None = None
    ) -> None:
        self.reason = reason
        self.message = message
        self.line = line
        super().__init__(message)

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


class ModelCodeError(FailedError):
    """The model's source is at fault; `line` is that of the source, where known."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(FailureReason.MODEL_CODE, message, line=line)


class OutOfMemoryError(FailedError):
    """The model needs more memory than it may use."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(FailureReason.OOM, message, line=line)


class DivergedError(FailedError):
    """The loss is not a number any more; `kept` says of when the saved model is."""

    def __init__(self, message: str, *, kept: str | None = None) -> None:
        super().__init__(FailureReason.DIVERGED, message)
        self.kept = kept


class DeadlineError(FailedError):
    """The training was not done in time."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureReason.DEADLINE, message)


class DiskError(FailedError):
    """There is no room for the records in the work directory."""

    exit_code = ExitCode.DATA

    def __init__(self, message: str) -> None:
        super().__init__(FailureReason.DISK, message)


class StreamError(FailedError):
    """The announced records are missing, or cannot be trained on."""

    exit_code = ExitCode.DATA
