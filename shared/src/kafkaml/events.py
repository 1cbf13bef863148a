"""Domain events: facts in the past tense, as CloudEvents 1.0 in Kafka's binary mode.

An event is a wake-up and never an instruction: it may come twice, late or not at all, and
its reader then reads the truth from the API. Fields are only ever added.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar, Self
from uuid import UUID, uuid4

import orjson
from pydantic import BaseModel, ConfigDict, Field

DEFAULT_EVENTS_TOPIC = "kafkaml.events"
SOURCE = "/kafka-ml/api"

Headers = list[tuple[str, bytes]]


class DomainEvent(BaseModel):
    """Base of all events; a subclass names its `type` and what it is about."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    type: ClassVar[str]
    collection: ClassVar[str]

    id: int = Field(description="of the thing that the event is about")

    @property
    def subject(self) -> str:
        """What it is about, as a path below `/api/v1`; also the record's key."""
        return f"{self.collection}/{self.id}"


class ModelEvent(DomainEvent):
    """About a model and one of its versions."""

    collection = "models"
    version: int


class ModelCreated(ModelEvent):
    """A model was made, with its first version."""

    type = "model.created"


class ModelVersioned(ModelEvent):
    """A model got a new version."""

    type = "model.versioned"


class ModelChecked(ModelEvent):
    """A model version turned out valid or invalid."""

    type = "model.checked"
    state: str


class ModelNoticed(ModelEvent):
    """Something keeps the check of a model version from running; null: nothing any more."""

    type = "model.noticed"
    notice: str | None


class ModelDeleted(DomainEvent):
    """A model was deleted."""

    type = "model.deleted"
    collection = "models"


class DeploymentCreated(DomainEvent):
    """A configuration was deployed for training."""

    type = "deployment.created"
    collection = "deployments"
    configuration_id: int


class DeploymentDeleted(DomainEvent):
    """A deployment was deleted, with its trainings."""

    type = "deployment.deleted"
    collection = "deployments"


class TrainingEvent(DomainEvent):
    """About one attempt of a training."""

    collection = "trainings"
    deployment_id: int
    attempt: int


class TrainingQueued(TrainingEvent):
    """A training waits to be started, for the first time or again."""

    type = "training.queued"


class TrainingWaiting(TrainingEvent):
    """A trainer has built the model and waits for its stream."""

    type = "training.waiting"


class TrainingStarted(TrainingEvent):
    """A trainer has its stream and fits."""

    type = "training.started"


class TrainingNoticed(TrainingEvent):
    """Something keeps a training from running; null: nothing any more."""

    type = "training.noticed"
    notice: str | None


class TrainingProgressed(TrainingEvent):
    """An epoch is done."""

    type = "training.progressed"
    epoch: int
    epochs: int
    values: dict[str, float | None]


class TrainingStepped(TrainingEvent):
    """A fit goes on, within an epoch; told about once a second."""

    type = "training.stepped"
    epoch: int
    epochs: int
    step: int
    steps: int
    records_per_second: float | None = None
    eta_seconds: float | None = None
    fold: int | None = None
    records: int | None = None


class TrainingImproved(TrainingEvent):
    """A training of a stream without an end published a better model than before."""

    type = "training.improved"
    number: int
    epoch: int
    values: dict[str, float | None]


class TrainingFinished(TrainingEvent):
    """The result of a training was accepted."""

    type = "training.finished"


class TrainingFailed(TrainingEvent):
    """A training ended without a result."""

    type = "training.failed"
    reason: str
    message: str


class TrainingStopped(TrainingEvent):
    """A training was stopped by a user."""

    type = "training.stopped"


class DatasourceRecorded(DomainEvent):
    """A control message was recorded."""

    type = "datasource.recorded"
    collection = "datasources"
    deployment_id: int


class DatasourceRejected(DomainEvent):
    """A control message breaks a rule."""

    type = "datasource.rejected"
    collection = "datasources"
    deployment_id: int | None
    rejection: str


class InferenceEvent(DomainEvent):
    """About an inference."""

    collection = "inferences"
    training_id: int


class InferenceCreated(InferenceEvent):
    """An inference is to be started."""

    type = "inference.created"


class InferenceScaled(InferenceEvent):
    """An inference is to have another number of replicas."""

    type = "inference.scaled"
    replicas: int


class InferenceNoticed(InferenceEvent):
    """Something keeps replicas of an inference from running; null: nothing any more."""

    type = "inference.noticed"
    notice: str | None


class InferenceServing(InferenceEvent):
    """A replica of an inference answers its input topic."""

    type = "inference.serving"


class InferencePaused(InferenceEvent):
    """An inference answers nothing until it is told to resume."""

    type = "inference.paused"
    reason: str


class InferenceResumed(InferenceEvent):
    """An inference that paused is to go on."""

    type = "inference.resumed"


class InferenceModelsChanged(InferenceEvent):
    """Other models are to answer; `reason` says why, unless a user wanted it."""

    type = "inference.models_changed"
    revision: int
    canary_training_id: int | None = None
    canary_share: float | None = None
    shadow_training_id: int | None = None
    reason: str | None = None


class InferenceDrifted(InferenceEvent):
    """Records are other than those of the training; `reason` says which figures."""

    type = "inference.drifted"
    reason: str


class InferenceDriftEnded(InferenceEvent):
    """Records are like those of the training again."""

    type = "inference.drift_ended"


class InferenceFailed(InferenceEvent):
    """An inference cannot go on."""

    type = "inference.failed"
    reason: str
    message: str


class InferenceStopped(InferenceEvent):
    """An inference was stopped by a user."""

    type = "inference.stopped"


def _concrete(cls: type[DomainEvent]) -> Iterable[type[DomainEvent]]:
    for sub in cls.__subclasses__():
        if "type" in vars(sub):
            yield sub
        yield from _concrete(sub)


EVENT_TYPES: dict[str, type[DomainEvent]] = {
    each.type: each for each in _concrete(DomainEvent)
}


class UnknownEvent(DomainEvent):
    """An event of a type that this version does not know: its reader skips it."""

    type = "unknown"
    collection = "unknown"
    id: int = 0


class CloudEvent(BaseModel):
    """An event with its envelope."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: UUID = Field(default_factory=uuid4)
    time: datetime = Field(default_factory=lambda: datetime.now(UTC))
    type: str
    subject: str
    data: DomainEvent

    @classmethod
    def of(cls, event: DomainEvent) -> Self:
        """Put an event into a new envelope."""
        return cls(type=event.type, subject=event.subject, data=event)

    def to_key(self) -> bytes:
        """Return the record key: events about one thing stay in order."""
        return self.subject.encode()

    def to_value(self) -> bytes:
        """Return the event's fields as JSON."""
        return orjson.dumps(self.data.model_dump(mode="json"))

    def to_headers(self) -> Headers:
        """Return the envelope as record headers."""
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": str(self.id),
            "ce_source": SOURCE,
            "ce_type": self.type,
            "ce_subject": self.subject,
            "ce_time": self.time.isoformat(),
            "content-type": "application/json",
        }
        return [(name, value.encode()) for name, value in attributes.items()]

    def to_structured(self) -> bytes:
        """Return envelope and event as one JSON document, the form of the live events."""
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": str(self.id),
                "source": SOURCE,
                "type": self.type,
                "subject": self.subject,
                "time": self.time.isoformat(),
                "datacontenttype": "application/json",
                "data": self.data.model_dump(mode="json"),
            }
        )

    @classmethod
    def from_record(cls, value: bytes, headers: Iterable[tuple[str, bytes | None]]) -> Self:
        """Read a record of the events topic; raise ValueError if it is not an event."""
        attributes = {name: (content or b"").decode() for name, content in headers}
        try:
            name = attributes["ce_type"]
            event_type = EVENT_TYPES.get(name, UnknownEvent)
            return cls(
                id=UUID(attributes["ce_id"]),
                time=datetime.fromisoformat(attributes["ce_time"]),
                type=name,
                subject=attributes["ce_subject"],
                data=event_type.model_validate(orjson.loads(value)),
            )
        except KeyError as e:
            raise ValueError(f"the record has no header {e}") from e

    @classmethod
    def from_structured(cls, content: bytes | str) -> Self:
        """Read a structured JSON document; raise ValueError if it is not an event."""
        document = orjson.loads(content)
        if not isinstance(document, dict):
            raise ValueError("the document is not a JSON object")  # noqa: TRY004  as promised
        try:
            event_type = EVENT_TYPES.get(document["type"], UnknownEvent)
            return cls(
                id=document["id"],
                time=document["time"],
                type=document["type"],
                subject=document["subject"],
                data=event_type.model_validate(document["data"]),
            )
        except KeyError as e:
            raise ValueError(f"the document has no field {e}") from e
