"""Predictions by topic, for notebooks and checks."""

from typing import TYPE_CHECKING, Any

from kafkaml.client._deadlines import Duration, seconds
from kafkaml.schemas.inferences import Inference

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

    with StreamPredictor(
        input_topic=inference.input_topic,
        output_topic=inference.output_topic,
        input_format=inference.input_format,
        input_config=inference.input_config,
        bootstrap_servers=bootstrap_servers,
        timeout=seconds(timeout),
    ) as predictor:
        return predictor.predict(array)
