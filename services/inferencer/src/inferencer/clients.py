"""The two Kafka clients of a replica."""

import logging
import secrets
from typing import Any

from confluent_kafka import Consumer, Producer

from inferencer.config import InferencerSettings
from inferencer.exceptions import ClusterUnknownError
from kafkaml.exceptions import SettingsError
from kafkaml.kafka import cluster_config, inference_group
from kafkaml.schemas.attempts import InferenceOrder

_log = logging.getLogger("librdkafka")

# Of this process: two with the same one would fence each other for ever.
TRANSACTIONAL_ID = secrets.token_hex(8)
# How long the answers of others wait behind a replica that died within a transaction.
TRANSACTION_MS = 10_000

# The classic protocol is the default because with it a replica decides how soon others take
# over. On Kafka 4.3 as it comes, a new replica has its partitions after 1.1 s (5.1 s with
# the newer protocol), those of one that left go on after 0.1 s (up to 5 s), those of one
# that was killed after 9 s (43 s). Both move only the partitions that have to move.
CLASSIC_GROUP = {
    "partition.assignment.strategy": "cooperative-sticky",
    "heartbeat.interval.ms": 1000,
}


def make_consumer(settings: InferencerSettings, order: InferenceOrder) -> Consumer:
    """Return a consumer of the inference's group; it commits nothing by itself."""
    config = _common(settings, order, order.input_cluster) | {
        "group.id": inference_group(order.inference_id),
        "group.protocol": settings.group_protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "max.poll.interval.ms": int(settings.silence_seconds * 1000),
        "queued.max.messages.kbytes": settings.batch_bytes // 1024,
        "fetch.max.bytes": max(settings.batch_bytes, 2**20),
        "socket.timeout.ms": 15_000,
        "fetch.queue.backoff.ms": 10,  # by default a full queue stops fetching for a second
    }
    if settings.group_protocol == "classic":
        config |= CLASSIC_GROUP
        config |= {"session.timeout.ms": int(settings.session_seconds * 1000)}
    return Consumer(config, logger=_log)


def make_producer(settings: InferencerSettings, order: InferenceOrder) -> Producer:
    """Return a producer whose records are kept once and in order, or reported."""
    return Producer(_producer_config(settings, order), logger=_log)


def make_transactional_producer(
    settings: InferencerSettings, order: InferenceOrder
) -> Producer:
    """Return a producer that aborts what another one of this process left open."""
    config = _producer_config(settings, order)
    config |= {
        "transactional.id": f"{config['client.id']}-{TRANSACTIONAL_ID}",
        "transaction.timeout.ms": TRANSACTION_MS,
        "message.timeout.ms": min(config["message.timeout.ms"], TRANSACTION_MS),
    }
    return Producer(config, logger=_log)


def _producer_config(settings: InferencerSettings, order: InferenceOrder) -> dict[str, Any]:
    return _common(settings, order, order.output_cluster) | {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",  # the one that Kafka's own clients use
        "linger.ms": 1,  # sends while the next batch is predicted; flush sends at once
        "message.timeout.ms": int(settings.delivery_seconds * 1000),
        "message.max.bytes": 100_000_000,  # the topic decides what is too large
        "allow.auto.create.topics": False,  # one made by chance has the wrong partitions
        "topic.metadata.propagation.max.ms": 1000,
        "delivery.report.only.error": True,
    }


def _common(
    settings: InferencerSettings, order: InferenceOrder, cluster: str | None
) -> dict[str, Any]:
    try:
        config = cluster_config(settings, cluster)
    except SettingsError as e:
        raise ClusterUnknownError(str(e)) from e
    client_id = f"kafkaml-inference-{order.inference_id}-{settings.replica}"
    return config | {"client.id": client_id}
