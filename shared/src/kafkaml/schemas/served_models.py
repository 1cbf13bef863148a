"""Which trained models answer the records of an inference."""

from typing import Self

from pydantic import Field, model_validator

from kafkaml.schemas.base import Id, Message, Request, Resource, example
from kafkaml.schemas.trainings import Artifact


class Canary(Request):
    """A second model that answers the records of some keys."""

    training_id: Id
    share: float = Field(
        gt=0,
        lt=1,
        examples=[0.1],
        description="of the keys; a key stays with its model, and with the canary when "
        "the share grows",
    )


class Shadow(Request):
    """A model that predicts every record, too, but whose answers go to a side topic."""

    training_id: Id


class ServedModels(Request):
    """The trainings whose models are served."""

    model_config = example({"primary": 1, "canary": {"training_id": 2, "share": 0.1}})

    primary: Id = Field(examples=[1])
    canary: Canary | None = None
    shadow: Shadow | None = None

    @property
    def training_ids(self) -> list[int]:
        """The id of each training, the primary first."""
        others = [each.training_id for each in (self.canary, self.shadow) if each]
        return [self.primary, *others]

    @model_validator(mode="after")
    def _check_differ(self) -> Self:
        if len(set(self.training_ids)) < len(self.training_ids):
            raise ValueError("primary, canary and shadow must be different trainings")
        return self


class ModelOrder(Resource):
    """One more model that a replica is to load."""

    training_id: Id
    model_version: int
    artifact: Artifact
    artifacts: list[Artifact] = Field(default_factory=list)
    input_shape: list[int]


class CanaryOrder(ModelOrder):
    """A model for a share of the keys."""

    share: float


class RefusalReport(Request):
    """Why a replica goes on with the models it has, instead of those of a revision."""

    replica: int = Field(default=0, ge=0)
    revision: int = Field(ge=1, le=2**31 - 1)
    reason: Message
