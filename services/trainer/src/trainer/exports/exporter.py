"""Having a trained model made in other formats, which costs no training its result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog

from kafkaml.schemas.deployments import ExportFormat
from kafkaml.schemas.trainings import ExportResult
from trainer.config import TrainerSettings
from trainer.deadline import Deadline
from trainer.exceptions import ExportError, OutOfMemoryError, PlatformError, TrainerError
from trainer.messages import Export, Exported, Ready, export_file
from trainer.sandbox.sandbox import Sandbox

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """What came of an export, and where its file is if there is one."""

    result: ExportResult
    path: Path


class Exporter:
    """Runs exporting processes in a folder of their own, one after the other.

    A converter may end its process; the formats that are left get another one.
    """

    def __init__(
        self,
        *,
        open_sandbox: Callable[[], Sandbox],
        directory: Path,
        settings: TrainerSettings,
    ) -> None:
        self._open_sandbox = open_sandbox
        self._directory = directory
        self._settings = settings

    def export(self, order: Export, *, deadline: Deadline) -> list[ExportedFile]:
        """Return what came of each format of the order, within the deadline."""
        results: list[ExportResult] = []
        while len(results) < len(order.formats):
            waiting = order.formats[len(results) :]
            rest = order.model_copy(update={"formats": waiting})
            results += self._run(rest, deadline)
        return [self._file_of(each) for each in results]

    def _run(self, order: Export, deadline: Deadline) -> list[ExportResult]:
        """Return the results of one process, at least one."""
        if deadline.passed:
            return _all_failed(order.formats, "deadline_seconds left no time for it")
        results: list[ExportResult] = []
        started = monotonic()
        try:
            with self._open_sandbox() as sandbox:
                sandbox.send(order)
                self._await_start(sandbox, deadline)
                for _ in order.formats:
                    started = monotonic()
                    results.append(self._receive(sandbox, deadline))
        except PlatformError as e:
            results += _all_failed(order.formats[len(results) :], str(e))
        except TrainerError as e:
            wanted = order.formats[len(results)]
            results.append(_failed(wanted, _text_of(e), seconds=monotonic() - started))
        return results

    def _await_start(self, sandbox: Sandbox, deadline: Deadline) -> None:
        limit = deadline.limit(self._settings.start_timeout_seconds)
        if not isinstance(sandbox.receive(Deadline.after(limit)), Ready):
            raise PlatformError("TensorFlow did not start in time")

    def _receive(self, sandbox: Sandbox, deadline: Deadline) -> ExportResult:
        limit = deadline.limit(self._settings.export_timeout_seconds)
        report = sandbox.receive(Deadline.after(limit))
        if not isinstance(report, Exported):
            raise ExportError(f"it took longer than {limit:g} s")
        return ExportResult(
            format=report.format, seconds=report.seconds, error=report.error
        )

    def _file_of(self, result: ExportResult) -> ExportedFile:
        path = self._directory / export_file(result.format)
        if result.error is None:
            size = path.stat().st_size
            result = result.model_copy(update={"size_bytes": size})
        logger.info("exported", **result.model_dump(mode="json"))
        return ExportedFile(result, path)


def _text_of(error: TrainerError) -> str:
    match error:
        case ExportError():
            return str(error)
        case OutOfMemoryError():
            return "it needs more memory than it may use: raise resources.memory"
        case _:
            return f"the converter cannot take this model, it ended its process: {error}"


def _failed(wanted: ExportFormat, error: str, *, seconds: float = 0.0) -> ExportResult:
    return ExportResult(format=wanted, seconds=seconds, error=error)


def _all_failed(formats: Sequence[ExportFormat], error: str) -> list[ExportResult]:
    return [_failed(each, error) for each in formats]
