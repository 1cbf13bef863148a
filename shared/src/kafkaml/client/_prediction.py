"""Predictions by topic, for notebooks and checks."""

from typing import TYPE_CHECKING, Any

from kafkaml.client._deadlines import Duration, seconds
from kafkaml.exceptions import PredictionError
from kafkaml.schemas.inferences import Inference
from kafkaml.schemas.outputs import OutputFormat

if TYPE_CHECKING:
    import numpy as np


def predict_by_topic(
    inference: Inference,
    array: "np.ndarray[Any, Any]",
    bootstrap_servers: str | None,
    timeout: Duration,
) -> "np.ndarray[Any, Any]":
    """Send records to the inference's input topic and return its answers, in order."""
    from kafkaml.predictor import StreamPredictor

    _check(inference)
    with StreamPredictor(
        input_topic=inference.input_topic,
        output_topic=inference.output_topic,
        input_format=inference.input_format,
        input_config=inference.input_config,
        bootstrap_servers=bootstrap_servers,
        timeout=seconds(timeout),
    ) as predictor:
        return predictor.predict(array)


def _check(inference: Inference) -> None:
    if inference.output_format is not OutputFormat.JSON:
        raise PredictionError(
            f"inference {inference.id} answers in {inference.output_format}: "
            "read its output topic, or have an inference answer in JSON"
        )
    if inference.input_cluster or inference.output_cluster:
        raise PredictionError(
            f"inference {inference.id} uses other clusters than the platform's, which only "
            "the platform can reach by name: use the clients of those clusters"
        )
