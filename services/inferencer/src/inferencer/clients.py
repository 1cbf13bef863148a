"""The two Kafka clients of a replica."""

import logging

from confluent_kafka import Consumer, Producer

from inferencer.config import InferencerSettings
from kafkaml.kafka import inference_group, librdkafka_config

_log = logging.getLogger("librdkafka")

# The classic protocol is the default because with it a replica decides how soon others take
# over. On Kafka 4.3 as it comes, a new replica has its partitions after 1.1 s (5.1 s with
# the newer protocol), those of one that left go on after 0.1 s (up to 5 s), those of one
# that was killed after 9 s (43 s). Both move only the partitions that have to move.
CLASSIC_GROUP = {
    "partition.assignment.strategy": "cooperative-sticky",
    "heartbeat.interval.ms": 1000,
    "session.timeout.ms": 10_000,
}


def make_consumer(settings: InferencerSettings, *, inference_id: int) -> Consumer:
    """Return a consumer of the inference's group; it commits nothing by itself."""
    config = librdkafka_config(settings) | {
        "client.id": f"kafkaml-inference-{inference_id}-{settings.replica}",
        "group.id": inference_group(inference_id),
        "group.protocol": settings.group_protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "max.poll.interval.ms": 300_000,
        "queued.max.messages.kbytes": settings.batch_bytes // 1024,
        "fetch.max.bytes": max(settings.batch_bytes, 2**20),
        "socket.timeout.ms": 15_000,
        "fetch.queue.backoff.ms": 10,  # by default a full queue stops fetching for a second
    }
    if settings.group_protocol == "classic":
        config |= CLASSIC_GROUP
    return Consumer(config, logger=_log)


def make_producer(settings: InferencerSettings, *, inference_id: int) -> Producer:
    """Return a producer whose records are kept once and in order, or reported."""
    config = librdkafka_config(settings) | {
        "client.id": f"kafkaml-inference-{inference_id}-{settings.replica}",
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",  # the one that Kafka's own clients use
        "linger.ms": 5,  # collects a batch while it is written; flush sends at once
        "message.timeout.ms": int(settings.delivery_seconds * 1000),
        "message.max.bytes": 100_000_000,  # the topic decides what is too large
        "allow.auto.create.topics": False,  # one made by chance has the wrong partitions
        "topic.metadata.propagation.max.ms": 1000,
        "delivery.report.only.error": True,
    }
    return Producer(config, logger=_log)
