"""Workloads: the orchestrator's routes."""

from fastapi import APIRouter, Request, status

from api.dependencies import Files, Wanted, Workloads
from api.handlers.bodies import PLAIN_TEXT, binary_body
from api.handlers.paths import PathReplica
from api.permissions import MAY_ORCHESTRATE
from kafkaml.schemas.workloads import Observation, WorkloadList, WorkloadToken

router = APIRouter(prefix="/workloads", tags=["workloads"])


@router.get("", summary="List what ought to run", dependencies=[MAY_ORCHESTRATE])
async def list_workloads(wanted: Wanted) -> WorkloadList:
    return await wanted.current()


@router.post(
    "/{name}/token",
    status_code=status.HTTP_201_CREATED,
    summary="Make a token for an attempt that is about to start",
    dependencies=[MAY_ORCHESTRATE],
)
async def create_workload_token(name: str, workloads: Workloads) -> WorkloadToken:
    return await workloads.mint_token(name)


@router.post(
    "/{name}/observations",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Tell what was seen of a replica",
    dependencies=[MAY_ORCHESTRATE],
)
async def observe_workload(name: str, body: Observation, workloads: Workloads) -> None:
    await workloads.observe(name, body)


@router.put(
    "/{name}/logs/{replica}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Store the log of a replica",
    description="It takes the place of the one before. That of an earlier attempt is "
    "accepted too.",
    openapi_extra=binary_body(PLAIN_TEXT),
    dependencies=[MAY_ORCHESTRATE],
)
async def store_log(
    name: str, replica: PathReplica, request: Request, files: Files
) -> None:
    await files.put_log(name, replica=replica, text=await request.body())
