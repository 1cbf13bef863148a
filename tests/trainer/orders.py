"""Orders as the API gives them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kafkaml.schemas.attempts import Order, TrainingOrder
from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.workloads import WorkloadKind

CLASSIFIER = """\
import keras

print("built for", keras.__name__)
model = keras.Sequential([
    keras.Input((2,)),
    keras.layers.Dense(16, activation="relu"),
    keras.layers.Dense(3, activation="softmax"),
])
model.compile(
    keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
)
"""


def check_order(source: str) -> Order:
    return Order(kind=WorkloadKind.CHECK, attempt=1, source=source)


def training_order(
    control_topic: str, *, source: str = CLASSIFIER, **parameters: Any
) -> Order:
    return Order(
        kind=WorkloadKind.TRAINING,
        attempt=1,
        source=source,
        training=TrainingOrder(
            training_id=1,
            deployment_id=1,
            parameters=TrainingParameters.model_validate({"exports": []} | parameters),
            control_topic=control_topic,
            announced_since=datetime.now(UTC) - timedelta(hours=1),
        ),
    )
