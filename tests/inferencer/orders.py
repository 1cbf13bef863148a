"""Orders of inferences on records of four float32 numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kafkaml.schemas.attempts import InferenceOrder, Order
from kafkaml.schemas.trainings import Artifact
from kafkaml.schemas.workloads import WorkloadKind

FEATURES = 4
RAW_CONFIG = {"data_type": "float32", "data_reshape": "4"}


def inference_order(
    *,
    inference_id: int = 1,
    input_topic: str = "in",
    output_topic: str = "out",
    start: str = "earliest",
    input_format: str = "RAW",
    input_config: Mapping[str, Any] = RAW_CONFIG,
    input_shape: Sequence[int] = (FEATURES,),
    sha256: str = "0" * 64,
) -> InferenceOrder:
    return InferenceOrder(
        inference_id=inference_id,
        training_id=7,
        model_version=3,
        artifact=Artifact(size_bytes=1, sha256=sha256),
        input_topic=input_topic,
        output_topic=output_topic,
        dead_letter_topic=f"{output_topic}.dlq",
        input_format=input_format,
        input_config=dict(input_config),
        input_shape=list(input_shape),
        start=start,
    )


def order_of(inference: InferenceOrder) -> Order:
    return Order(kind=WorkloadKind.INFERENCE, attempt=1, inference=inference)


def value_of(number: float) -> bytes:
    """Return a record whose sum is `number` and whose maximum is too, if positive."""
    return np.array([number, 0, 0, 0], np.float32).tobytes()
