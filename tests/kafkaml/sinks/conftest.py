"""Where the sinks under test write."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from kafkaml.sinks.base import SinkOptions


@pytest.fixture
def options(kafka_bootstrap: str, topic_name: Callable[[str], str]) -> SinkOptions:
    """A new data topic with three partitions and a new control topic."""
    return SinkOptions(
        topic=topic_name("data"),
        deployment_id=300,
        bootstrap_servers=kafka_bootstrap,
        control_topic=topic_name("control"),
        partitions=3,
        timeout=timedelta(seconds=30),
    )
