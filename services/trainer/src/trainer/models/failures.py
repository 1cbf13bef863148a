"""From what a model's code raised to a report for people."""

import re
import sys
import traceback
from typing import Literal

import tensorflow as tf

from trainer.exceptions import DivergedError, FailedError
from trainer.messages import MAX_MESSAGE_LENGTH, Failed
from trainer.models.source import SOURCE_NAME

_NAMED_LINE = re.compile(rf'File "{re.escape(SOURCE_NAME)}", line ([0-9]+)')


def failure_of(error: BaseException) -> Failed:
    """Describe an error, with the line of the source that it came from, where known.

    The whole traceback goes to the log.
    """
    if isinstance(error, DivergedError):
        return Failed(reason="diverged", message=error.message, kept=error.kept)
    if isinstance(error, FailedError):
        return _failed(error.reason.value, error.message, error.line)
    traceback.print_exception(error, file=sys.stderr)
    line = line_of(error)
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return _failed(
            "oom",
            f"the model needs more memory than it may use ({_first_line(error)}): raise "
            "resources.memory, or make the model or its batches smaller",
            line,
        )
    if isinstance(error, SystemExit):
        return _failed("model_code", f"the source ends the program ({error!r})", line)
    if isinstance(error, SyntaxError):
        return _failed("model_code", f"{type(error).__name__}: {error.msg}", line)
    return _failed("model_code", f"{type(error).__name__}: {error}", line)


def line_of(error: BaseException) -> int | None:
    """Return the innermost line of the model's source that the error passed, from 1."""
    if isinstance(error, SyntaxError) and error.filename == SOURCE_NAME:
        return error.lineno
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == SOURCE_NAME
    ]
    # Code that TensorFlow has rewritten names its lines in the message alone.
    lines += [int(number) for number in _NAMED_LINE.findall(str(error))]
    return lines[-1] if lines else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _failed(reason: str, message: str, line: int | None) -> Failed:
    known: dict[str, Literal["model_code", "oom", "diverged"]] = {
        "model_code": "model_code",
        "oom": "oom",
        "diverged": "diverged",
    }
    return Failed(reason=known[reason], message=message[:MAX_MESSAGE_LENGTH], line=line)
