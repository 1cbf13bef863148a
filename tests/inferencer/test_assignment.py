"""Partitions that come and go while a replica takes no records."""

from kafkaml.schemas.attempts import InferenceOrder

from .orders import value_of
from .replicas import running_replica
from .topics import Topics, eventually

PARTITIONS = 4


def test_partitions_that_left_a_resting_replica_are_read_when_they_come_back(
    kafka_bootstrap: str, topics: Topics, order: InferenceOrder
) -> None:
    def answered_in_all_partitions(records: int) -> None:
        before = topics.count(order.output_topic)
        for partition in range(PARTITIONS):
            values = map(value_of, range(records))
            topics.send(order.input_topic, values, partition=partition)
        wanted = before + records * PARTITIONS
        eventually(lambda: topics.count(order.output_topic) == wanted)

    with running_replica(kafka_bootstrap, order) as stays:
        answered_in_all_partitions(1)
        stays.replica.brake.heed(order.model_copy(update={"is_paused": True}))
        with running_replica(kafka_bootstrap, order) as comes_and_goes:
            for partition in range(PARTITIONS):
                topics.send(order.input_topic, [value_of(1)], partition=partition)
            eventually(lambda: bool(comes_and_goes.engine.batch_sizes))
            stays.replica.brake.heed(order.model_copy(update={"resumptions": 1}))
            eventually(lambda: topics.count(order.output_topic) == 2 * PARTITIONS)
        answered_in_all_partitions(1)
