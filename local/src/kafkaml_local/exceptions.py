"""Errors of the platform on one machine.

LocalError
├── DownloadError       Kafka could not be fetched, or is not what it should be
├── PostgresError       the database did not start or did not do what it was told
├── KafkaError          the broker did not start
├── PartError           a part of the platform died or did not get ready
├── PortError           no port is free
└── StateError          the state folder is missing, or holds something unreadable
"""


class LocalError(Exception):
    """Base of all errors that this package raises on purpose; the text is for the user."""


class DownloadError(LocalError):
    """Kafka could not be fetched, or what came is not what was published."""


class PostgresError(LocalError):
    """The database did not start or did not do what it was told."""


class KafkaError(LocalError):
    """The broker did not start."""


class PartError(LocalError):
    """A part of the platform died or did not get ready in time."""


class PortError(LocalError):
    """No port is free."""


class StateError(LocalError):
    """The state folder is missing, or holds something that cannot be read."""
