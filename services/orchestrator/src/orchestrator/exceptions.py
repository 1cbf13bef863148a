"""Errors of the orchestrator.

KafkaMLError (kafkaml)
└── TopicError              a topic is not ready (yet)
    └── TopicRefusedError       Kafka refuses the topic; asking again cannot help

OrchestratorError
├── SettingsError           a setting is missing, or does not go with another
└── ExecutorError           the executor could not do what it was asked
    ├── NotNowError             it may be able to do so later
    ├── StartRefusedError       it will never start this workload as it is
    ├── UnknownReplicaError     the replica is not there (any more)
    └── StillRunningError       the replica runs, so it cannot be forgotten

A call of the API that fails is a `kafkaml.exceptions.ClientError`.
"""

from kafkaml.exceptions import TopicError
from kafkaml.schemas.states import FailureReason


class TopicRefusedError(TopicError):
    """Kafka refuses the topic, by its rules or its permissions; the text says why."""


class OrchestratorError(Exception):
    """Base of all errors that the orchestrator raises on purpose."""


class SettingsError(OrchestratorError):
    """A setting is missing, or does not go with another; the text says which."""


class ExecutorError(OrchestratorError):
    """The executor could not do what it was asked; the text says why."""


class NotNowError(ExecutorError):
    """What the executor stands on is away, or full: that passes, however long it takes."""


class StartRefusedError(ExecutorError):
    """The executor will never start this workload as it is; trying again cannot help."""

    def __init__(self, message: str, *, reason: FailureReason) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownReplicaError(ExecutorError):
    """The replica is not there, or not any more."""

    def __init__(self, name: str, replica: int) -> None:
        super().__init__(f"replica {replica} of {name} is not there")


class StillRunningError(ExecutorError):
    """The replica runs: stop it first."""

    def __init__(self, name: str, replica: int) -> None:
        super().__init__(f"replica {replica} of {name} still runs")
