"""What a training gives to an inference that serves it."""

from collections.abc import Mapping
from typing import Any

from api.exceptions import FormatInvalidError
from api.tables.model_set import ServedModel
from api.tables.training_row import TrainingRow
from kafkaml.exceptions import FormatError
from kafkaml.formats import feature_format
from kafkaml.schemas.states import TrainingState


def served_model(training: TrainingRow) -> ServedModel:
    """Return the model to serve; one that the training may still replace is kept."""
    is_kept = training.state is not TrainingState.FINISHED
    return ServedModel(
        training_id=training.id, kept_artifact=training.artifact if is_kept else None
    )


def check_format(
    input_format: str, input_config: Mapping[str, Any], *, input_shape: list[int]
) -> None:
    """Raise FormatInvalidError if such records do not fit a model."""
    try:
        shape = feature_format(input_format, input_config).shape
    except FormatError as e:
        raise FormatInvalidError(str(e)) from e
    if shape is not None and input_shape and list(shape) != input_shape:
        raise FormatInvalidError(
            f"records of shape {list(shape)} do not fit a model that was trained on "
            f"{input_shape}"
        )
