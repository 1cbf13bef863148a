"""What an attempt has achieved, and how the API gets it."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from kafkaml.control import ControlMessage
from kafkaml.profiles import DataProfile
from kafkaml.schemas.attempts import ResultReport
from kafkaml.schemas.fit import ClassWeights
from kafkaml.schemas.trainings import ConfusionMatrix, Timings, TrainingResult
from trainer.exceptions import ModelCodeError
from trainer.messages import MODEL_FILE, Trained
from trainer.preparation import Prepared
from trainer.profile import add_profile, profile_of
from trainer.report import Reporter

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training measured; the model is in the file `MODEL_FILE`."""

    result: TrainingResult
    confusion_matrix: ConfusionMatrix | None
    profile: DataProfile


def outcome_of(
    trained: Trained,
    *,
    prepared: Prepared,
    announced: ControlMessage,
    timings: Timings,
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
    return Outcome(result, trained.confusion_matrix, profile)


def deliver(outcome: Outcome, *, directory: Path, reporter: Reporter) -> None:
    """Upload the model and hand in the result; return once the API has accepted it.

    To be called when the model's process has ended, so that nothing changes the file.
    """
    path = directory / MODEL_FILE
    if path.is_symlink() or not path.is_file():
        raise ModelCodeError(f"the model's code left no file {MODEL_FILE}")
    add_profile(outcome.profile, path)
    artifact = reporter.artifact(path)
    reporter.result(
        ResultReport(
            result=outcome.result,
            confusion_matrix=outcome.confusion_matrix,
            artifact_sha256=artifact.sha256,
        )
    )
    logger.info("the result is accepted", model_bytes=artifact.size_bytes)
