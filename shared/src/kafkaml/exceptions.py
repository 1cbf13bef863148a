"""Errors of the shared package.

KafkaMLError
├── ControlMessageError     a control message breaks a rule
├── FormatError             a format, its configuration or a schema is not usable
├── CodecUnavailableError   what a codec needs is away; the records may be fine
├── DeliveryError           Kafka did not take every record of a sink
├── SettingsError           a setting cannot be used, or what it should name is missing
├── TopicError              a topic could not be made or is not ready
├── PredictionError         an inference answered a record with an error
└── ClientError             a call of the HTTP API failed
    ├── ApiUnavailableError     no answer, or one that says "later"
    ├── ProblemError            the API refused, with a problem document
    ├── WaitTimeoutError        what was waited for did not happen in time
    └── WaitFailedError         what was waited for cannot happen any more
"""

from pydantic import BaseModel

from kafkaml.schemas.problems import Problem


class KafkaMLError(Exception):
    """Base of all errors that this package raises on purpose."""


class ControlMessageError(KafkaMLError):
    """A control message breaks a rule; the text says which."""


class FormatError(KafkaMLError):
    """A record format or its configuration is not usable; the text says why."""


class CodecUnavailableError(KafkaMLError):
    """What a codec needs (TensorFlow, a schema registry) is away; the text says what.

    It is no fault of the records: decoding them again later may succeed.
    """


class DeliveryError(KafkaMLError):
    """Kafka did not take every record; nothing was announced."""


class SettingsError(KafkaMLError):
    """A setting cannot be used, or does not name what is asked for; the text says which."""


class TopicError(KafkaMLError):
    """A topic could not be made, or did not become ready in time."""


class PredictionError(KafkaMLError):
    """An inference answered a record with an error; the text names the record and why."""


class ClientError(KafkaMLError):
    """A call of the HTTP API failed."""


class ApiUnavailableError(ClientError):
    """The API could not be reached, or says that it cannot serve now: try again."""


class ProblemError(ClientError):
    """The API refused the call; `problem` says what is wrong and what to do."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.to_text())


class WaitTimeoutError(ClientError):
    """What was waited for did not happen in time."""


class WaitFailedError(ClientError):
    """What was waited for cannot happen any more; `resource` is what was seen last."""

    def __init__(self, message: str, *, resource: BaseModel) -> None:
        self.resource = resource
        super().__init__(message)
