"""Errors of the inferencer.

InferencerError
├── AttemptOverError        the API says that this attempt is over: leave
├── AttemptRefusedError     the API refuses this attempt for another reason
├── UnusableOrderError      the order cannot be carried out; the text says what to do
│   ├── ArtifactDataError       the model file is missing or damaged
│   ├── ArtifactModelError      the model file is whole, but no model that can be served
│   ├── ClusterUnknownError     the settings do not name a cluster of the order
│   └── RecordFormatError       the records cannot become what the model takes
├── EngineUnusableError     one engine cannot serve the model; another may
│   ├── ExportMissingError      the training has no such export
│   ├── ExportDamagedError      the export is not what it should be
│   └── ExportUnequalError      the export gives other answers than Keras
├── PredictionError         the engine cannot answer these records
├── RequestRefusedError     a request over HTTP is answered with an error
│   └── ModelBusyError          too many ask at once
├── DeliveryError           Kafka did not keep every answer: nothing may be committed
└── KafkaClientLostError    a Kafka client cannot go on; a new process can
"""

from http import HTTPStatus
from typing import ClassVar

from kafkaml.schemas.states import ExitCode, FailureReason


class InferencerError(Exception):
    """Base of all errors that this service raises on purpose."""


class AttemptOverError(InferencerError):
    """The attempt was stopped or superseded."""


class AttemptRefusedError(InferencerError):
    """The API refuses the calls of this attempt."""


class UnusableOrderError(InferencerError):
    """The order cannot be carried out, now or later."""

    reason: ClassVar[FailureReason] = FailureReason.ARTIFACT
    exit_code: ClassVar[int] = ExitCode.DATA


class ArtifactDataError(UnusableOrderError):
    """The model file is missing or damaged."""


class ArtifactModelError(UnusableOrderError):
    """The model file holds no model that can be loaded safely and served."""

    exit_code = ExitCode.MODEL_CODE


class RecordFormatError(UnusableOrderError):
    """Format, configuration and model of the order do not fit together."""

    reason = FailureReason.BAD_STREAM


class EngineUnusableError(InferencerError):
    """One engine cannot serve the model; another may."""


class ExportMissingError(EngineUnusableError):
    """The training has no such export."""


class ExportDamagedError(EngineUnusableError):
    """The export lacks something, or holds what it should not."""


class ExportUnequalError(EngineUnusableError):
    """The export gives other answers than Keras, or not always the same."""


class ClusterUnknownError(UnusableOrderError):
    """The order names a cluster that the settings of this platform do not."""

    reason = FailureReason.PLATFORM


class PredictionError(InferencerError):
    """The engine cannot answer these records; fewer of them it may."""


class RequestRefusedError(InferencerError):
    """A request over HTTP cannot be answered; the text says what to do."""

    status: HTTPStatus = HTTPStatus.BAD_REQUEST

    def __init__(self, message: str, *, status: HTTPStatus | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


class ModelBusyError(RequestRefusedError):
    """The model answers others for longer than a request waits."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class DeliveryError(InferencerError):
    """Kafka did not keep every answer in time; the batch is to be done again."""


class KafkaClientLostError(InferencerError):
    """A Kafka client met an error that only a new one is free of."""
