"""Configurations: models that are trained on the same stream."""

from collections.abc import AsyncIterator, Iterable
from http import HTTPMethod

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._calls import build, place
from kafkaml.schemas.base import Page
from kafkaml.schemas.configurations import (
    Configuration,
    ConfigurationCreate,
    ConfigurationUpdate,
)


class AsyncConfigurations:
    """Named sets of models, to be compared or to work together."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self, *, name: str, model_ids: Iterable[int], description: str = ""
    ) -> Configuration:
        """Group models. Raise ProblemError `name-taken` if the name is in use."""
        body = build(
            ConfigurationCreate,
            name=name,
            model_ids=[*model_ids],
            description=description,
        )
        return await self._session.create(place("configurations"), body, Configuration)

    async def get(self, configuration_id: int) -> Configuration:
        """Return a configuration."""
        path = place("configurations", configuration_id)
        return await self._session.get(path, Configuration)

    def list(self, *, limit: int | None = None) -> AsyncIterator[Configuration]:
        """Iterate over all configurations, newest first; `limit` is the size of a page."""
        return self._session.pages(
            place("configurations"), Page[Configuration], {"limit": limit}
        )

    async def update(
        self,
        configuration_id: int,
        *,
        name: str | None = None,
        description: str | None = None,
        model_ids: Iterable[int] | None = None,
    ) -> Configuration:
        """Change what is given; deployments made before keep the models they had."""
        body = build(
            ConfigurationUpdate,
            name=name,
            description=description,
            model_ids=None if model_ids is None else [*model_ids],
        )
        path = place("configurations", configuration_id)
        return await self._session.act(path, Configuration, body, method=HTTPMethod.PATCH)

    async def delete(self, configuration_id: int) -> None:
        """Delete a configuration. Raise ProblemError `in-use` if it is deployed."""
        await self._session.delete(place("configurations", configuration_id))
