"""Errors that no answer carries: a process cannot start, or another part failed."""

from collections.abc import Sequence


class StartupError(Exception):
    """The process must not start; the text says what to do."""


class SchemaOutdatedError(StartupError):
    """The database has another schema than the code."""

    def __init__(self, *, found: str | None, expected: str) -> None:
        super().__init__(
            f"The database has schema {found or 'none'}, this version needs {expected}: "
            "run kafkaml-migrate."
        )


class UndeclaredPermissionError(StartupError):
    """A route does not say who may call it."""

    def __init__(self, routes: Sequence[str]) -> None:
        super().__init__(f"No permission is declared for {', '.join(routes)}.")


class ReplicaFailedError(Exception):
    """One replica did not answer; another may."""


class RecordsRejectedError(Exception):
    """Kafka will never take these records as they are; the text says why."""


class TopicUnusableError(Exception):
    """Letters are for a topic that is not there or may not be written."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic
        super().__init__(f"the topic {topic} cannot be used: {reason}")
