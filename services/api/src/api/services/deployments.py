"""What can be done with deployments."""

from api.exceptions import (
    InUseError,
    ModelInvalidError,
    NotFoundError,
    StillRunningError,
    ValidationFailedError,
)
from api.paging import PageRequest
from api.storage.unit_of_work import UnitOfWork
from api.tables.model_version_row import ModelVersionRow
from kafkaml.config import KafkaSettings
from kafkaml.events import DeploymentCreated, DeploymentDeleted, TrainingQueued
from kafkaml.schemas.base import Page
from kafkaml.schemas.deployments import Deployment, DeploymentCreate
from kafkaml.schemas.states import ModelVersionState
from kafkaml.schemas.workloads import WorkloadKind


class DeploymentService:
    """Decides about deployments."""

    def __init__(self, *, work: UnitOfWork, kafka: KafkaSettings) -> None:
        self._work = work
        self._kafka = kafka

    async def create(self, wanted: DeploymentCreate) -> Deployment:
        """Deploy a configuration: a training for the newest version of each model."""
        versions = await self._versions(wanted.configuration_id)
        deployment = await self._work.deployments.add(
            configuration_id=wanted.configuration_id,
            parameters=wanted.model_dump(mode="json", exclude={"configuration_id"}),
            control_topic=self._kafka.control_topic,
        )
        trainings = await self._work.trainings.add_all(
            deployment, versions, epochs=wanted.epochs
        )
        self._work.outbox.add_event(
            DeploymentCreated(
                id=deployment.id, configuration_id=deployment.configuration_id
            )
        )
        for training in trainings:
            self._work.outbox.add_event(
                TrainingQueued(id=training.id, deployment_id=deployment.id, attempt=1)
            )
        return await self.get(deployment.id)

    async def get(self, deployment_id: int) -> Deployment:
        return (await self._work.deployments.get(deployment_id)).to_resource()

    async def page(self, page: PageRequest) -> Page[Deployment]:
        rows = await self._work.deployments.page(page)
        return Page(
            items=[row.to_resource() for row in rows.items], next_cursor=rows.next_cursor
        )

    async def delete(self, deployment_id: int) -> None:
        """Delete a deployment whose trainings are over and that no inference uses."""
        deployment = await self._work.deployments.lock(deployment_id)
        trainings = await self._work.trainings.lock_of_deployment(deployment_id)
        for training in trainings:
            if not training.state.is_final:
                raise StillRunningError("training", training.id, state=training.state)
        inference_id = await self._work.inferences.user_of_deployment(deployment_id)
        if inference_id is not None:
            raise InUseError("deployment", deployment_id, by=f"inference {inference_id}")
        await self._work.tokens.delete_of_workloads(
            WorkloadKind.TRAINING, [training.id for training in trainings]
        )
        await self._work.deployments.delete(deployment)
        self._work.outbox.add_event(DeploymentDeleted(id=deployment_id))

    async def _versions(self, configuration_id: int) -> list[ModelVersionRow]:
        try:
            configuration = await self._work.configurations.get(configuration_id, lock=True)
        except NotFoundError as e:
            raise ValidationFailedError.at("body.configuration_id", e.detail) from e
        model_ids = [member.model_id for member in configuration.members]
        newest = await self._work.models.newest_versions(model_ids)
        versions = [newest[model_id] for model_id in model_ids]
        invalid = [each for each in versions if each.state is ModelVersionState.INVALID]
        if invalid:
            raise ModelInvalidError([each.model.name for each in invalid])
        return versions
