"""What the bearer of an attempt's token is told to do."""

from datetime import timedelta
from typing import Any

from api.exceptions import FormatMissingError
from api.tables.inference_row import InferenceRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.training_row import TrainingRow
from kafkaml.schemas.attempts import InferenceOrder, Order, TrainingOrder
from kafkaml.schemas.outputs import OutputConfig
from kafkaml.schemas.served_models import CanaryOrder, ModelOrder
from kafkaml.schemas.trainings import Artifact, ArtifactFormat
from kafkaml.schemas.workloads import WorkloadKind

# The clock of a producer may be behind that of the database.
CLOCK_TOLERANCE = timedelta(minutes=1)


def check_order(version: ModelVersionRow) -> Order:
    """Return the order to check a model version."""
    return Order(kind=WorkloadKind.CHECK, attempt=version.attempt, source=version.source)


def training_order(training: TrainingRow, *, source: str) -> Order:
    """Return the order to train; the deployment must be loaded."""
    deployment = training.deployment
    return Order(
        kind=WorkloadKind.TRAINING,
        attempt=training.attempt,
        source=source,
        training=TrainingOrder(
            training_id=training.id,
            deployment_id=deployment.id,
            parameters=deployment.to_parameters(),
            control_topic=deployment.control_topic,
            announced_since=deployment.created_at - CLOCK_TOLERANCE,
            checkpoint=training.checkpoint,
            is_to_finish=training.is_to_finish,
        ),
    )


def inference_order(inference: InferenceRow) -> Order:
    """Return the order to serve; the training and its version must be loaded."""
    trained_on = inference.training.trained_on or {}
    return Order(
        kind=WorkloadKind.INFERENCE,
        attempt=inference.attempt,
        inference=InferenceOrder(
            inference_id=inference.id,
            revision=inference.revision,
            training_id=inference.training_id,
            model_version=inference.training.version.number,
            artifact=found_artifact(inference, ArtifactFormat.KERAS),
            artifacts=inference.artifacts,
            input_topic=inference.input_topic,
            output_topic=inference.output_topic,
            dead_letter_topic=inference.dead_letter_topic,
            input_format=inference.input_format,
            input_config=inference.input_config,
            input_shape=trained_on.get("input_shape", []),
            start=inference.start,
            guarantee=inference.guarantee,
            output_format=inference.output_format,
            output_config=OutputConfig.model_validate(inference.output_config),
            input_cluster=inference.input_cluster,
            output_cluster=inference.output_cluster,
            early_exit=inference.early_exit,
            engine=inference.wanted_engine,
            gpu=inference.to_resources().gpu,
            drift=inference.drift_options,
            dead_letter_limit=inference.limit_of_dead_letters,
            is_paused=inference.pause is not None,
            resumptions=inference.resumptions,
            canary=_canary_order(inference),
            shadow=_shadow_order(inference),
            shadow_topic=inference.shadow_topic,
        ),
    )


def _canary_order(inference: InferenceRow) -> CanaryOrder | None:
    training, artifacts = inference.canary_training, inference.canary_artifacts
    if training is None or not artifacts:
        return None
    share = inference.canary_share or 0.0
    return CanaryOrder(share=share, **_model_fields(training, artifacts))


def _shadow_order(inference: InferenceRow) -> ModelOrder | None:
    training, artifacts = inference.shadow_training, inference.shadow_artifacts
    if training is None or not artifacts:
        return None
    return ModelOrder(**_model_fields(training, artifacts))


def _model_fields(training: TrainingRow, artifacts: list[Artifact]) -> dict[str, Any]:
    return {
        "training_id": training.id,
        "model_version": training.version.number,
        "artifact": artifacts[0],
        "artifacts": artifacts,
        "input_shape": (training.trained_on or {}).get("input_shape", []),
    }


def served_artifact(
    inference: InferenceRow, wanted: ArtifactFormat, *, sha256: str | None
) -> Artifact:
    """Return a file of any model that an inference serves, or the primary one's.

    Raise FormatMissingError if there is none like it.
    """
    if sha256 is None:
        return found_artifact(inference, wanted)
    every = (
        *inference.artifacts,
        *inference.canary_artifacts,
        *inference.shadow_artifacts,
    )
    for each in every:
        if (each.format, each.sha256) == (wanted, sha256):
            return each
    raise FormatMissingError(
        inference.training_id, wanted=wanted, existing=[each.format for each in every]
    )


def found_artifact(owner: TrainingRow | InferenceRow, wanted: ArtifactFormat) -> Artifact:
    """Return the model of a training, or the one that an inference serves, in a format.

    Raise FormatMissingError if it has none in it.
    """
    artifacts = {each.format: each for each in owner.artifacts}
    if wanted not in artifacts:
        training_id = owner.id if isinstance(owner, TrainingRow) else owner.training_id
        raise FormatMissingError(training_id, wanted=wanted, existing=[*artifacts])
    return artifacts[wanted]
