"""Configurations."""

from functools import partial

from fastapi import APIRouter, status

from api.dependencies import Configurations, OnlyOnce, WantedPage
from api.handlers.paths import PathId
from api.permissions import MAY_EDIT, MAY_VIEW
from kafkaml.schemas.base import Page
from kafkaml.schemas.configurations import (
    Configuration,
    ConfigurationCreate,
    ConfigurationUpdate,
)

router = APIRouter(prefix="/configurations", tags=["configurations"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Create a configuration",
    dependencies=[MAY_EDIT],
)
async def create_configuration(
    body: ConfigurationCreate, configurations: Configurations, once: OnlyOnce
) -> Configuration:
    return await once.answer(Configuration, partial(configurations.create, body))


@router.get("", summary="List configurations", dependencies=[MAY_VIEW])
async def list_configurations(
    configurations: Configurations, page: WantedPage
) -> Page[Configuration]:
    return await configurations.page(page)


@router.get("/{configuration_id}", summary="Show a configuration", dependencies=[MAY_VIEW])
async def show_configuration(
    configuration_id: PathId, configurations: Configurations
) -> Configuration:
    return await configurations.get(configuration_id)


@router.patch(
    "/{configuration_id}", summary="Change a configuration", dependencies=[MAY_EDIT]
)
async def update_configuration(
    configuration_id: PathId, body: ConfigurationUpdate, configurations: Configurations
) -> Configuration:
    return await configurations.update(configuration_id, body)


@router.delete(
    "/{configuration_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a configuration without deployments",
    dependencies=[MAY_EDIT],
)
async def delete_configuration(
    configuration_id: PathId, configurations: Configurations
) -> None:
    await configurations.delete(configuration_id)
