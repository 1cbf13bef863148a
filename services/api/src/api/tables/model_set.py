"""Which models an inference serves, as its row keeps them."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from kafkaml.schemas.served_models import Canary, ServedModels, Shadow
from kafkaml.schemas.trainings import Artifact


class ServedModel(BaseModel):
    """The model of a training.

    `kept_artifact` is that of one that was not finished then, and may have published others
    since.
    """

    model_config = ConfigDict(frozen=True)

    training_id: int
    kept_artifact: Artifact | None = None


class ModelSet(BaseModel):
    """The models that answer together; `canary_share` is null without a canary."""

    model_config = ConfigDict(frozen=True)

    primary: ServedModel
    canary: ServedModel | None = None
    canary_share: float | None = None
    shadow: ServedModel | None = None

    @property
    def members(self) -> list[ServedModel]:
        """Each model, the primary first."""
        return [each for each in (self.primary, self.canary, self.shadow) if each]

    def to_resource(self) -> ServedModels:
        """Return what a user wants, or sees, of it."""
        canary = shadow = None
        if self.canary and self.canary_share:
            canary = Canary(training_id=self.canary.training_id, share=self.canary_share)
        if self.shadow:
            shadow = Shadow(training_id=self.shadow.training_id)
        return ServedModels(primary=self.primary.training_id, canary=canary, shadow=shadow)

    def to_columns(self) -> dict[str, Any]:
        """Return the columns of an inference that serves it."""
        return {
            "training_id": self.primary.training_id,
            "kept_artifact": _kept(self.primary),
            "canary_training_id": self.canary and self.canary.training_id,
            "canary_share": self.canary_share,
            "kept_canary_artifact": _kept(self.canary),
            "shadow_training_id": self.shadow and self.shadow.training_id,
            "kept_shadow_artifact": _kept(self.shadow),
        }


def _kept(model: ServedModel | None) -> dict[str, Any] | None:
    if model is None or model.kept_artifact is None:
        return None
    return model.kept_artifact.model_dump(mode="json")
