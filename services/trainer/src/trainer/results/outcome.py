"""What an attempt has achieved, and how the API gets it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from kafkaml.control import ControlMessage
from kafkaml.descriptions import (
    DESCRIPTION_MEMBER,
    ModelDescription,
    TensorSignature,
)
from kafkaml.profiles import PROFILE_MEMBER, DataProfile
from kafkaml.schemas.attempts import ResultReport, TrainingOrder
from kafkaml.schemas.fit import ClassWeights
from kafkaml.schemas.trainings import (
    ConfusionMatrix,
    ExportResult,
    Timings,
    TrainingResult,
)
from trainer.deadline import Deadline
from trainer.exceptions import (
    DivergedError,
    FailedError,
    ModelCodeError,
    PlatformError,
)
from trainer.exports.exporter import ExportedFile
from trainer.messages import MODEL_FILE, Trained
from trainer.models.members import add_members
from trainer.preparation import Prepared
from trainer.results.profile import profile_of
from trainer.results.reporter import Reporter

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training measured; the model is in the file `MODEL_FILE`."""

    result: TrainingResult
    confusion_matrix: ConfusionMatrix | None
    profile: DataProfile
    deadline: Deadline
    input: TensorSignature | None = None
    output: TensorSignature | None = None

    def describe(self, order: TrainingOrder, *, attempt: int) -> ModelDescription:
        """Return what the model's file says about itself."""
        return ModelDescription(
            training_id=order.training_id,
            attempt=attempt,
            input=self.input,
            output=self.output,
            stream=self.result.stream,
            counts=self.result.counts,
            parameters=order.parameters,
            versions=self.result.versions,
        )


def outcome_of(
    trained: Trained,
    *,
    prepared: Prepared,
    announced: ControlMessage,
    timings: Timings,
    deadline: Deadline,
    class_weight: ClassWeights | None,
) -> Outcome:
    """Put together what the child has measured and what the trainer knows.

    `class_weight` is what `balanced` came to, if that was asked for.
    """
    dataset = prepared.dataset
    profile = profile_of(dataset)
    result = TrainingResult(
        training=trained.training,
        validation=trained.validation,
        test=trained.test,
        counts=dataset.counts,
        timings=timings,
        stream=announced.model_dump(mode="json"),
        input_shape=list(dataset.features.shape[1:]),
        versions=trained.versions,
        fit=trained.fit.model_copy(update={"class_weight": class_weight}),
        classification=trained.classification,
        regression=trained.regression,
        no_report=trained.no_report,
        cross_validation=trained.cross_validation,
        label_counts=profile.classes,
        skipped=prepared.records.skipped,
        warnings=prepared.warnings,
    )
    return Outcome(
        result,
        trained.confusion_matrix,
        profile,
        deadline,
        input=trained.input,
        output=trained.output,
    )


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
