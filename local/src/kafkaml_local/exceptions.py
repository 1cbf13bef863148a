"""Errors of the platform on one machine.

LocalError
├── DownloadError       Kafka could not be fetched, or is not what it should be
├── PostgresError       the database did not do what it was told
├── KafkaError          the broker could not be set up
├── PartError           a part of the platform died or did not get ready
├── PortError           no port is free
└── StateError          the state folder is missing, or holds something unreadable
"""

import textwrap
from pathlib import Path

from kafkaml_local.files import last_lines

SHOWN_LINES = 15


class LocalError(Exception):
    """Base of all errors that this package raises on purpose; the text is for the user."""


class DownloadError(LocalError):
    """Kafka could not be fetched, or what came is not what was published."""


class PostgresError(LocalError):
    """The database did not do what it was told."""


class KafkaError(LocalError):
    """The broker could not be set up."""


class PartError(LocalError):
    """A part of the platform died or did not get ready in time."""

    def __init__(self, name: str, trouble: str, log: Path) -> None:
        lines = textwrap.indent(last_lines(log, SHOWN_LINES), "  ")
        super().__init__(f"{name} {trouble}. It wrote last:\n\n{lines}\n\nIts log: {log}")


class PortError(LocalError):
    """No port is free."""


class StateError(LocalError):
    """The state folder is missing, or holds something that cannot be read."""
