"""Announcing records that are in Kafka already."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from kafkaml.control import ControlMessage
from kafkaml.sinks.base import DEFAULT_TIMEOUT, kafka_settings
from kafkaml.sinks.writer import StreamWriter


def announce(
    message: ControlMessage,
    *,
    bootstrap_servers: str | None = None,
    control_topic: str | None = None,
    timeout: timedelta = DEFAULT_TIMEOUT,
    producer_config: Mapping[str, Any] | None = None,
) -> None:
    """Send a control message and wait for its acknowledgement.

    For a stream that another program wrote, or that a second deployment is to use. Raises
    DeliveryError or TopicError if Kafka does not take it in time.
    """
    settings = kafka_settings(bootstrap_servers, control_topic)
    writer = StreamWriter(
        settings.control_topic,
        settings=settings,
        partitions=1,
        timeout=timeout,
        producer_config=producer_config or {},
    )
    try:
        writer.announce(message)
    finally:
        writer.close()
