"""A broker to measure on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from kafkaml_local.kafka import Kafka
from kafkaml_local.ports import free_port


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Yield the address of a broker: the one named, or one of our own."""
    named = os.environ.get("KAFKA_ML_BOOTSTRAP_SERVERS")
    if named:
        yield named
        return
    port = free_port()
    kafka = Kafka(
        directory=folder / "kafka", port=port, controller_port=free_port(taken=[port])
    )
    try:
        kafka.start()
        kafka.wait_ready(timedelta(seconds=60))
        yield kafka.address
    finally:
        kafka.stop()
