"""Errors of the orchestrator.

OrchestratorError
├── SettingsError           a setting is missing
└── ExecutorError           the executor could not do what it was asked
    ├── UnknownReplicaError     the replica is not there (any more)
    └── StillRunningError       the replica runs, so it cannot be forgotten

A topic that cannot be made is a `kafkaml.exceptions.TopicError`, a call of the API that
fails a `kafkaml.exceptions.ClientError`.
"""


class OrchestratorError(Exception):
    """Base of all errors that the orchestrator raises on purpose."""


class SettingsError(OrchestratorError):
    """A setting is missing; the text says which."""


class ExecutorError(OrchestratorError):
    """The executor could not do what it was asked; the text says why."""


class UnknownReplicaError(ExecutorError):
    """The replica is not there, or not any more."""

    def __init__(self, name: str, replica: int) -> None:
        super().__init__(f"replica {replica} of {name} is not there")


class StillRunningError(ExecutorError):
    """The replica runs: stop it first."""

    def __init__(self, name: str, replica: int) -> None:
        super().__init__(f"replica {replica} of {name} still runs")
