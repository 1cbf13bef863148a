"""Models and their versions."""

from functools import partial

from fastapi import APIRouter, Response, status

from api.dependencies import Models, OnlyOnce, WantedPage
from api.handlers.paths import PathId, PathNumber
from api.permissions import MAY_EDIT, MAY_VIEW
from kafkaml.schemas.base import Page
from kafkaml.schemas.models import (
    Model,
    ModelCreate,
    ModelUpdate,
    ModelVersion,
    ModelVersionCreate,
)

router = APIRouter(prefix="/models", tags=["models"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Create a model",
    description="The source is checked in a process of its own: follow `version.state`.",
    dependencies=[MAY_EDIT],
)
async def create_model(body: ModelCreate, models: Models, once: OnlyOnce) -> Model:
    return await once.answer(Model, partial(models.create, body))


@router.get("", summary="List models", dependencies=[MAY_VIEW])
async def list_models(models: Models, page: WantedPage) -> Page[Model]:
    return await models.page(page)


@router.get("/{model_id}", summary="Show a model", dependencies=[MAY_VIEW])
async def show_model(model_id: PathId, models: Models) -> Model:
    return await models.get(model_id)


@router.patch("/{model_id}", summary="Rename or describe a model", dependencies=[MAY_EDIT])
async def update_model(model_id: PathId, body: ModelUpdate, models: Models) -> Model:
    return await models.update(model_id, body)


@router.delete(
    "/{model_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a model that nothing uses",
    dependencies=[MAY_EDIT],
)
async def delete_model(model_id: PathId, models: Models) -> None:
    await models.delete(model_id)


@router.post(
    "/{model_id}/versions",
    status_code=status.HTTP_201_CREATED,
    summary="Add a version",
    description="The newest source again adds nothing and is answered by 200.",
    responses={status.HTTP_200_OK: {"model": ModelVersion}},
    dependencies=[MAY_EDIT],
)
async def create_version(
    model_id: PathId,
    body: ModelVersionCreate,
    models: Models,
    once: OnlyOnce,
    response: Response,
) -> ModelVersion:
    async def add() -> ModelVersion:
        version, is_new = await models.add_version(model_id, body)
        response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return version

    return await once.answer(ModelVersion, add)


@router.get("/{model_id}/versions", summary="List the versions", dependencies=[MAY_VIEW])
async def list_versions(
    model_id: PathId, models: Models, page: WantedPage
) -> Page[ModelVersion]:
    return await models.page_of_versions(model_id, page)


@router.get(
    "/{model_id}/versions/{number}", summary="Show a version", dependencies=[MAY_VIEW]
)
async def show_version(
    model_id: PathId, number: PathNumber, models: Models
) -> ModelVersion:
    return await models.get_version(model_id, number)
