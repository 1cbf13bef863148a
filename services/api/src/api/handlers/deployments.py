"""Deployments."""

from functools import partial

from fastapi import APIRouter, status

from api.dependencies import Deployments, OnlyOnce, WantedPage
from api.handlers.paths import PathId
from api.permissions import MAY_EDIT, MAY_VIEW
from kafkaml.schemas.base import Page
from kafkaml.schemas.deployments import Deployment, DeploymentCreate

router = APIRouter(prefix="/deployments", tags=["deployments"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Deploy a configuration for training",
    description="Each of its models gets a training, which waits for the stream that a "
    "control message announces to this deployment.",
    dependencies=[MAY_EDIT],
)
async def create_deployment(
    body: DeploymentCreate, deployments: Deployments, once: OnlyOnce
) -> Deployment:
    return await once.answer(Deployment, partial(deployments.create, body))


@router.get("", summary="List deployments", dependencies=[MAY_VIEW])
async def list_deployments(deployments: Deployments, page: WantedPage) -> Page[Deployment]:
    return await deployments.page(page)


@router.get("/{deployment_id}", summary="Show a deployment", dependencies=[MAY_VIEW])
async def show_deployment(deployment_id: PathId, deployments: Deployments) -> Deployment:
    return await deployments.get(deployment_id)


@router.delete(
    "/{deployment_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a deployment with its trainings",
    description="Its trainings must be over, and no inference may use them.",
    dependencies=[MAY_EDIT],
)
async def delete_deployment(deployment_id: PathId, deployments: Deployments) -> None:
    await deployments.delete(deployment_id)
