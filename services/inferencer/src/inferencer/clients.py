"""The two Kafka clients of a replica."""

import logging

from confluent_kafka import Consumer, Producer

from inferencer.config import InferencerSettings
from kafkaml.kafka import librdkafka_config

_log = logging.getLogger("librdkafka")


def make_consumer(settings: InferencerSettings, *, inference_id: int) -> Consumer:
    """Return a consumer of the inference's group; it commits nothing by itself.

    Kafka's new group protocol joins in 0.3 s and moves partitions one by one, without
    stopping the others; the classic one joins in 0.1 s but all members take part in each
    change.
    """
    config = librdkafka_config(settings) | {
        "client.id": f"kafkaml-inference-{inference_id}-{settings.replica}",
        "group.id": f"kafkaml-inference-{inference_id}",
        "group.protocol": settings.group_protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "max.poll.interval.ms": 300_000,
        "queued.max.messages.kbytes": settings.batch_bytes // 1024,
        "fetch.max.bytes": max(settings.batch_bytes, 2**20),
        "fetch.queue.backoff.ms": 10,  # by default a full queue stops fetching for a second
    }
    if settings.group_protocol == "classic":
        config["partition.assignment.strategy"] = "cooperative-sticky"
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
        "topic.metadata.propagation.max.ms": 1000,
        "delivery.report.only.error": True,
    }
    return Producer(config, logger=_log)
