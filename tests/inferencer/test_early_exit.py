"""The way of a record from one model to the next, on a real broker."""

import numpy as np

from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.outputs import EarlyExit

from .orders import value_of
from .replicas import running_replica
from .topics import Topics


def test_unsure_records_go_on_as_tensors_and_the_others_are_answered(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    upper = f"{order.output_topic}-upper"
    topics.create(upper)
    split = order.model_copy(update={"early_exit": EarlyExit(limit=0.5, upper_topic=upper)})
    topics.send(order.input_topic, map(value_of, [0.25, 0.5, 0.75]), partition=0)

    with running_replica(kafka_bootstrap, split):
        answers = topics.read(order.output_topic, 2)
        [tensor] = topics.read(upper, 1)

    assert sorted(answer.value() for answer in answers) == [
        b'{"values":[0.5]}',
        b'{"values":[0.75]}',
    ]
    assert tensor.value() == np.array([0.25], "<f4").tobytes()
    assert dict(tensor.headers())["kafkaml-source"].endswith(b"/0/0")
