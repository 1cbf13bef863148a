"""Models and their versions."""

from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPMethod

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._async._waiting import wait_until
from kafkaml.client._calls import build, place
from kafkaml.client._deadlines import Duration
from kafkaml.exceptions import WaitFailedError
from kafkaml.schemas.base import Page
from kafkaml.schemas.models import (
    Model,
    ModelCreate,
    ModelUpdate,
    ModelVersion,
    ModelVersionCreate,
)
from kafkaml.schemas.states import ModelVersionState


class AsyncModels:
    """Named models: Python source that binds a compiled Keras model to `model`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(self, *, name: str, source: str, description: str = "") -> Model:
        """Create a model. Its first version is checked in the background.

        Raise ProblemError `name-taken` if another model has the name.
        """
        body = build(ModelCreate, name=name, source=source, description=description)
        return await self._session.create(place("models"), body, Model)

    async def get(self, model_id: int) -> Model:
        """Return a model with its newest version."""
        return await self._session.get(place("models", model_id), Model)

    def list(self, *, limit: int | None = None) -> AsyncIterator[Model]:
        """Iterate over all models, newest first; `limit` is how many one call fetches."""
        return self._session.pages(place("models"), Page[Model], {"limit": limit})

    async def update(
        self, model_id: int, *, name: str | None = None, description: str | None = None
    ) -> Model:
        """Change what is given; the source changes by `add_version`."""
        body = build(ModelUpdate, name=name, description=description)
        return await self._session.act(
            place("models", model_id), Model, body, method=HTTPMethod.PATCH
        )

    async def delete(self, model_id: int) -> None:
        """Delete a model. Raise ProblemError `in-use` if a configuration holds it."""
        await self._session.delete(place("models", model_id))

    async def add_version(self, model_id: int, source: str) -> ModelVersion:
        """Add a version, which is then checked; the newest source again changes nothing."""
        body = build(ModelVersionCreate, source=source)
        path = place("models", model_id, "versions")
        return await self._session.create(path, body, ModelVersion)

    def versions(
        self, model_id: int, *, limit: int | None = None
    ) -> AsyncIterator[ModelVersion]:
        """Iterate over all versions of a model, newest first."""
        path = place("models", model_id, "versions")
        return self._session.pages(path, Page[ModelVersion], {"limit": limit})

    async def version(self, model_id: int, number: int) -> ModelVersion:
        """Return one version of a model; versions are numbered from 1."""
        path = place("models", model_id, "versions", number)
        return await self._session.get(path, ModelVersion)

    async def wait_checked(
        self,
        model_id: int,
        timeout: Duration = timedelta(minutes=5),  # noqa: ASYNC109  see wait_until
    ) -> Model:
        """Wait until the newest version is checked; return the model.

        Raise WaitFailedError with the error and its line if the version is invalid, and
        WaitTimeoutError if the check takes longer than `timeout`.
        """
        model = await wait_until(
            lambda: self.get(model_id),
            lambda seen: seen.version.state is not ModelVersionState.CHECKING,
            timeout=timeout,
            goal=f"model {model_id} is checked",
        )
        if model.version.state is ModelVersionState.INVALID:
            raise WaitFailedError(_invalidity(model), resource=model)
        return model


def _invalidity(model: Model) -> str:
    error = model.version.error
    line = f"line {error.line}: " if error and error.line else ""
    reason = error.message if error else "no reason is given"
    return f"{model.name!r}, version {model.version.number}, is invalid: {line}{reason}"
