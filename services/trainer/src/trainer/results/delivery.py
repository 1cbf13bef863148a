"""How the API gets what an attempt has achieved."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from kafkaml.descriptions import DESCRIPTION_MEMBER, ModelDescription
from kafkaml.profiles import PROFILE_MEMBER
from kafkaml.schemas.attempts import ResultReport
from kafkaml.schemas.trainings import ExportResult
from trainer.exceptions import (
    DivergedError,
    FailedError,
    ModelCodeError,
    PlatformError,
)
from trainer.exports.exporter import ExportedFile
from trainer.messages import MODEL_FILE
from trainer.models.members import add_members
from trainer.results.outcome import Outcome
from trainer.results.reporter import Reporter

logger = structlog.get_logger()


def model_file(directory: Path) -> Path:
    """Return the file of the trained model; raise ModelCodeError if there is none.

    To be called when the model's process has ended, so that nothing changes the file.
    """
    path = directory / MODEL_FILE
    if path.is_symlink() or not path.is_file():
        raise ModelCodeError(f"the model's code left no file {MODEL_FILE}")
    return path


def deliver(
    outcome: Outcome,
    exports: Sequence[ExportedFile],
    *,
    description: ModelDescription,
    directory: Path,
    reporter: Reporter,
) -> None:
    """Upload the model and hand in the result; return once the API has accepted it."""
    path = model_file(directory)
    members = {
        PROFILE_MEMBER: outcome.profile.model_dump_json(),
        DESCRIPTION_MEMBER: description.model_dump_json(),
    }
    add_members(path, members)
    artifact = reporter.artifact(path)
    exported = [upload_export(each, reporter) for each in exports]
    reporter.result(
        ResultReport(
            result=outcome.result.model_copy(update={"exports": exported}),
            confusion_matrix=outcome.confusion_matrix,
            artifact_sha256=artifact.sha256,
        )
    )
    logger.info("the result is accepted", model_bytes=artifact.size_bytes)


def keep_model(error: FailedError, *, directory: Path, reporter: Reporter) -> str | None:
    """Upload the last good model of a fit that diverged; return a word about it, if any.

    To be called when the model's process has ended. What cannot be kept is logged.
    """
    if not isinstance(error, DivergedError) or error.kept is None:
        return None
    try:
        reporter.artifact(model_file(directory))
    except (ModelCodeError, PlatformError) as e:
        logger.warning("the last good model is not kept", reason=str(e))
        return None
    return f"The model as it was after {error.kept} is kept: download its artifact"


def upload_export(export: ExportedFile, reporter: Reporter) -> ExportResult:
    """Upload an export if there is one; one that the API refuses is told in the result."""
    result = export.result
    if result.error is not None:
        return result
    try:
        reporter.export(export.path, result.format)
    except PlatformError as e:
        logger.warning("an export is not kept", format=result.format, reason=str(e))
        return result.model_copy(update={"size_bytes": None, "error": str(e)})
    return result
