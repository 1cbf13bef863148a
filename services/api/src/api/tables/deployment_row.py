"""Deployments."""

from typing import TYPE_CHECKING

from sqlalchemy.orm import Mapped, relationship

from api.tables.base import CreatedAt, JsonObject, PrimaryKey, Table
from api.tables.columns import reference
from kafkaml.schemas.deployments import Deployment, TrainingParameters

if TYPE_CHECKING:
    from api.tables.training_row import TrainingRow


class DeploymentRow(Table):
    """A configuration as it was deployed; `parameters` are those of its trainings."""

    __tablename__ = "deployment"

    id: Mapped[PrimaryKey]
    configuration_id: Mapped[int] = reference("configuration")
    parameters: Mapped[JsonObject]
    control_topic: Mapped[str]
    created_at: Mapped[CreatedAt]

    trainings: Mapped[list["TrainingRow"]] = relationship(
        back_populates="deployment",
        order_by="TrainingRow.id",
        passive_deletes=True,
        lazy="raise",
    )

    def to_parameters(self) -> TrainingParameters:
        """Return how the trainings are trained."""
        return TrainingParameters.model_validate(self.parameters)

    def to_resource(self) -> Deployment:
        """Return the deployment; its trainings must be loaded."""
        return Deployment(
            id=self.id,
            configuration_id=self.configuration_id,
            parameters=self.to_parameters(),
            control_topic=self.control_topic,
            trainings=[training.to_resource() for training in self.trainings],
            created_at=self.created_at,
        )
