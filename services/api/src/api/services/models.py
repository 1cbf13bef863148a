"""What can be done with models."""

from api.exceptions import InUseError, NotFoundError
from api.paging import PageRequest
from api.storage.unit_of_work import UnitOfWork
from kafkaml.events import ModelCreated, ModelDeleted, ModelVersioned
from kafkaml.schemas.base import Page
from kafkaml.schemas.models import (
    Model,
    ModelCreate,
    ModelUpdate,
    ModelVersion,
    ModelVersionCreate,
)
from kafkaml.schemas.workloads import WorkloadKind


class ModelService:
    """Decides about models and their versions."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def create(self, wanted: ModelCreate) -> Model:
        """Make a model with its first version, which is then checked."""
        model = await self._work.models.add(
            name=wanted.name, description=wanted.description, source=wanted.source
        )
        self._work.outbox.add_event(ModelCreated(id=model.id, version=1))
        return model.to_resource()

    async def get(self, model_id: int) -> Model:
        return (await self._work.models.get(model_id)).to_resource()

    async def page(self, page: PageRequest) -> Page[Model]:
        rows = await self._work.models.page(page)
        return Page(
            items=[row.to_resource() for row in rows.items], next_cursor=rows.next_cursor
        )

    async def update(self, model_id: int, wanted: ModelUpdate) -> Model:
        """Change what is given."""
        model = await self._work.models.lock(model_id)
        await self._work.models.update(
            model, name=wanted.name, description=wanted.description
        )
        return (await self._work.models.get(model_id)).to_resource()

    async def delete(self, model_id: int) -> None:
        """Delete a model that no configuration and no training uses."""
        model = await self._work.models.lock(model_id)
        configuration_id = await self._work.configurations.user_of_model(model_id)
        if configuration_id is not None:
            raise InUseError("model", model_id, by=f"configuration {configuration_id}")
        training_id = await self._work.trainings.user_of_model(model_id)
        if training_id is not None:
            raise InUseError(
                "model", model_id, by=f"the deployment of training {training_id}"
            )
        await self._work.tokens.delete_of_workloads(
            WorkloadKind.CHECK, await self._work.models.version_ids(model_id)
        )
        await self._work.models.delete(model)
        self._work.outbox.add_event(ModelDeleted(id=model_id))

    async def add_version(
        self, model_id: int, wanted: ModelVersionCreate
    ) -> tuple[ModelVersion, bool]:
        """Return the version with this source, and whether it is new."""
        model = await self._work.models.lock(model_id)
        newest = await self._work.models.version(model_id, model.version_number)
        if newest is not None and newest.source == wanted.source:
            return newest.to_resource(), False
        version = await self._work.models.add_version(model, wanted.source)
        self._work.outbox.add_event(ModelVersioned(id=model_id, version=version.number))
        return version.to_resource(), True

    async def get_version(self, model_id: int, number: int) -> ModelVersion:
        version = await self._work.models.version(model_id, number)
        if version is None:
            raise NotFoundError.of(f"version of model {model_id} numbered", number)
        return version.to_resource()

    async def page_of_versions(
        self, model_id: int, page: PageRequest
    ) -> Page[ModelVersion]:
        await self._work.models.get(model_id)
        rows = await self._work.models.versions(model_id, page)
        return Page(
            items=[row.to_resource() for row in rows.items], next_cursor=rows.next_cursor
        )
