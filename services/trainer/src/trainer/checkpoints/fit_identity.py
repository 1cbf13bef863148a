"""Which fit it is: what decides, bit by bit, about everything that it computes."""

import hashlib
import json
from typing import Any

from kafkaml.control import ControlMessage
from kafkaml.schemas.deployments import TrainingParameters
from trainer.data.dataset import Dataset


def fit_identity(
    *,
    source: str,
    parameters: TrainingParameters,
    announced: ControlMessage,
    dataset: Dataset,
) -> str:
    """Return a digest: the same for every attempt that trains the same on the same.

    The records are known by their ranges, and by how many there are of what shape.
    """
    parts = {
        "source": source,
        "parameters": parameters.model_dump(mode="json"),
        "stream": announced.model_dump(mode="json"),
        "counts": dataset.counts.model_dump(mode="json"),
        "records": [
            [each.dtype.str, list(each.shape)]
            for each in (dataset.features, dataset.labels)
        ],
    }
    return _digest(parts)


def stream_identity(
    *,
    source: str,
    parameters: TrainingParameters,
    announced: ControlMessage,
    topic_id: str,
) -> str:
    """Return a digest: the same for every attempt that trains the same on this stream."""
    parts = {
        "source": source,
        "parameters": parameters.model_dump(mode="json"),
        "stream": announced.model_dump(mode="json"),
        "topic_id": topic_id,
    }
    return _digest(parts)


def _digest(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
