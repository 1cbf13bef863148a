"""Topics: made if absent, and waited for until they can be written to."""

import time
from datetime import timedelta

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic

from kafkaml.config import KafkaSettings
from kafkaml.exceptions import TopicError
from kafkaml.kafka import librdkafka_config

_LOG_ERRORS = 3
_PAUSE_SECONDS = 0.1
_MEANWHILE_MADE = KafkaError.TOPIC_ALREADY_EXISTS
# Names of librdkafka's own errors start with an underscore.
_PASSING = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
}


def is_passing(error: KafkaError) -> bool:
    """Say whether an error can pass: of a new topic, a new leader, a lost connection."""
    return error.code() in _PASSING


def ensure_topic(
    settings: KafkaSettings, name: str, *, partitions: int, timeout: timedelta
) -> int:
    """Make a topic unless it is there, and return its number of partitions.

    Returns when each partition has a leader. Raises TopicError if that takes longer than
    `timeout`, or if Kafka refuses.
    """
    return _ready(settings, name, partitions, timeout)


def wait_for_topic(settings: KafkaSettings, name: str, *, timeout: timedelta) -> int:
    """Wait until a topic is there and each partition has a leader; return their number.

    Raises TopicError if that takes longer than `timeout`.
    """
    return _ready(settings, name, None, timeout)


def _ready(
    settings: KafkaSettings, name: str, partitions: int | None, timeout: timedelta
) -> int:
    admin = AdminClient({**librdkafka_config(settings), "log_level": _LOG_ERRORS})
    deadline = time.monotonic() + timeout.total_seconds()
    while (left := deadline - time.monotonic()) > 0:
        try:
            leaders = _leaders(admin, name, left)
            if leaders and all(leaders):
                return len(leaders)
            if leaders is None and partitions is not None:
                _create(admin, name, partitions, left)
        except KafkaException as e:
            error = e.args[0]
            if not is_passing(error):
                raise TopicError(f"the topic {name} is not usable: {error.str()}") from e
        time.sleep(_PAUSE_SECONDS)
    raise TopicError(
        f"the topic {name} was not ready after {timeout.total_seconds():g} seconds: "
        "check that the topic is there, that Kafka runs, and that its address "
        f"{settings.bootstrap_servers} is right"
    )


def _leaders(admin: AdminClient, name: str, seconds: float) -> list[bool] | None:
    """Return for each partition whether it has a leader; None if there is no such topic."""
    futures = admin.describe_topics(TopicCollection([name]), request_timeout=seconds)
    try:
        described = futures[name].result(timeout=seconds + 1)
    except KafkaException as e:
        if e.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
    return [partition.leader is not None for partition in described.partitions]


def _create(admin: AdminClient, name: str, partitions: int, seconds: float) -> None:
    futures = admin.create_topics(
        [NewTopic(name, num_partitions=partitions)], request_timeout=seconds
    )
    try:
        futures[name].result(timeout=seconds + 1)
    except KafkaException as e:
        if e.args[0].code() != _MEANWHILE_MADE:
            raise
