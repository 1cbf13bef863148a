"""How the trainer reads Kafka: by assignment, in no group, and only what is committed."""

import logging
from typing import Any, Literal

REQUEST_SECONDS = 5.0
LOGGER = logging.getLogger("librdkafka")


def consumer_config(
    kafka: dict[str, Any], *, reset: Literal["earliest", "error"]
) -> dict[str, Any]:
    """Return the settings of a consumer; `reset` is for an offset that is not there."""
    return {
        **kafka,
        "group.id": "kafkaml-trainer",  # the client asks for one; nothing is committed
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": reset,
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "enable.partition.eof": reset == "error",
        "fetch.wait.max.ms": 20,  # the end of a log is known after one empty fetch
    }
