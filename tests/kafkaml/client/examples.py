"""What a later API answers, as JSON: with fields that this version does not know."""

from typing import Any

from kafkaml.schemas.trainings import TrainingResult

Document = dict[str, Any]

TIME = "2025-01-02T03:04:05Z"
SHA256 = "ab" * 32

VERSION: Document = {
    "number": 2,
    "state": "valid",
    "source": "model = …",
    "created_at": TIME,
    "news": 1,
}
MODEL: Document = {
    "id": 1,
    "name": "digits",
    "description": "",
    "version": VERSION,
    "created_at": TIME,
    "news": 1,
}
CONFIGURATION: Document = {
    "id": 2,
    "name": "digits",
    "description": "",
    "model_ids": [1],
    "created_at": TIME,
    "news": 1,
}
RESOURCES: Document = {"cpu": "1", "memory": "2Gi", "gpu": 0, "disk": "1Gi"}
PARAMETERS: Document = {
    "batch_size": 8,
    "epochs": 3,
    "fit": {"shuffle": False, "news": 1},
    "validation_rate": 0,
    "resources": RESOURCES,
    "news": 1,
}
TRAINING: Document = {
    "id": 4,
    "deployment_id": 3,
    "model_id": 1,
    "model_name": "digits",
    "model_version": 2,
    "state": "queued",
    "attempt": 1,
    "epochs": 3,
    "epoch": 0,
    "created_at": TIME,
    "news": 1,
}
DEPLOYMENT: Document = {
    "id": 3,
    "configuration_id": 2,
    "parameters": PARAMETERS,
    "control_topic": "KAFKA_ML_CONTROL_TOPIC",
    "trainings": [TRAINING],
    "created_at": TIME,
    "news": 1,
}
METRICS: Document = {
    "training_id": 4,
    "attempt": 1,
    "epochs": [{"epoch": 1, "values": {"loss": None, "accuracy": 0.5}}],
}
MATRIX: Document = {"labels": ["0", "1"], "matrix": [[3, 0], [1, 2]], "part": "test"}
DATASOURCE: Document = {
    "id": 5,
    "state": "recorded",
    "deployment_id": 3,
    "control": {"topic": "digits:0:0:10"},
    "topic": "KAFKA_ML_CONTROL_TOPIC",
    "partition": 0,
    "offset": 7,
    "announced_at": TIME,
    "created_at": TIME,
    "news": 1,
}
INFERENCE: Document = {
    "id": 6,
    "training_id": 4,
    "models": {"primary": 4},
    "state": "starting",
    "replicas": 1,
    "ready_replicas": 0,
    "input_topic": "in",
    "output_topic": "out",
    "dead_letter_topic": "out.dlq",
    "input_format": "RAW",
    "input_config": {"data_type": "uint8"},
    "start": "earliest",
    "resources": RESOURCES,
    "created_at": TIME,
    "news": 1,
}
TOKEN: Document = {
    "id": 7,
    "name": "notebook",
    "scope": "editor",
    "prefix": "kml_ab",
    "created_at": TIME,
    "news": 1,
}
WORKLOAD: Document = {
    "name": "kafkaml-training-4-1",
    "platform": "0f4c2d58-7b7e-4d3c-9a55-1f2e3d4c5b6a",
    "kind": "training",
    "id": 4,
    "attempt": 1,
    "replicas": 1,
    "resources": RESOURCES,
    "topics": [{"name": "in", "partitions": 2}],
    "news": 1,
}
ARTIFACT: Document = {"size_bytes": 10, "sha256": SHA256, "news": 1}
ORDER: Document = {
    "kind": "training",
    "attempt": 1,
    "source": "model = …",
    "training": {
        "training_id": 4,
        "deployment_id": 3,
        "parameters": PARAMETERS,
        "control_topic": "KAFKA_ML_CONTROL_TOPIC",
        "announced_since": TIME,
        "news": 1,
    },
    "news": 1,
}
RESULT = TrainingResult.model_validate(
    {
        "training": {"loss": 0.1},
        "counts": {"training": 8, "validation": 1, "test": 1},
        "timings": dict.fromkeys(
            ("build", "read", "first_step", "fit", "evaluate", "total"), 1.0
        ),
        "stream": {"topic": "digits:0:0:10"},
        "input_shape": [8, 8],
    }
)


def problem(code: str, status: int) -> Document:
    return {
        "type": f"urn:kafka-ml:problem:{code}",
        "title": "Not now",
        "status": status,
        "detail": "Do something else.",
        "news": 1,
    }
