"""What can be done with configurations."""

from collections.abc import Sequence

from api.exceptions import InUseError, ValidationFailedError
from api.paging import PageRequest
from api.storage.unit_of_work import UnitOfWork
from kafkaml.schemas.base import Page
from kafkaml.schemas.configurations import (
    Configuration,
    ConfigurationCreate,
    ConfigurationUpdate,
)


class ConfigurationService:
    """Decides about configurations."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def create(self, wanted: ConfigurationCreate) -> Configuration:
        """Make a configuration of models that exist."""
        await self._check_models(wanted.model_ids)
        configuration = await self._work.configurations.add(
            name=wanted.name, description=wanted.description, model_ids=wanted.model_ids
        )
        return configuration.to_resource()

    async def get(self, configuration_id: int) -> Configuration:
        return (await self._work.configurations.get(configuration_id)).to_resource()

    async def page(self, page: PageRequest) -> Page[Configuration]:
        rows = await self._work.configurations.page(page)
        return Page(
            items=[row.to_resource() for row in rows.items], next_cursor=rows.next_cursor
        )

    async def update(
        self, configuration_id: int, wanted: ConfigurationUpdate
    ) -> Configuration:
        """Change what is given; deployments made before keep the models they had."""
        configuration = await self._work.configurations.get(configuration_id, lock=True)
        await self._work.configurations.update(
            configuration, name=wanted.name, description=wanted.description
        )
        if wanted.model_ids is not None:
            await self._check_models(wanted.model_ids)
            await self._work.configurations.set_models(configuration, wanted.model_ids)
        return configuration.to_resource()

    async def delete(self, configuration_id: int) -> None:
        """Delete a configuration that has no deployment."""
        configuration = await self._work.configurations.get(configuration_id, lock=True)
        user = await self._work.deployments.user_of_configuration(configuration_id)
        if user is not None:
            raise InUseError("configuration", configuration_id, by=f"deployment {user}")
        await self._work.configurations.delete(configuration)

    async def _check_models(self, model_ids: Sequence[int]) -> None:
        location = "body.model_ids"
        if len(set(model_ids)) < len(model_ids):
            raise ValidationFailedError.at(location, "name each model once")
        missing = set(model_ids) - await self._work.models.existing(model_ids)
        if missing:
            listed = ", ".join(str(model_id) for model_id in sorted(missing))
            raise ValidationFailedError.at(location, f"there is no model {listed}")
