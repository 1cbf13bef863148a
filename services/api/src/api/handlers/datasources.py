"""Datasources."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from api.dependencies import Datasources, IdQuery, OnlyOnce, WantedPage
from api.handlers.paths import PathId
from api.permissions import MAY_EDIT, MAY_RECORD, MAY_VIEW
from kafkaml.schemas.base import Page
from kafkaml.schemas.datasources import Datasource, DatasourceRecord, DatasourceSend
from kafkaml.schemas.states import DatasourceState

router = APIRouter(prefix="/datasources", tags=["datasources"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Record a control message",
    description="For the control-logger. A message that breaks a rule is kept as rejected; "
    "one from a known place is answered by 200 and changes nothing.",
    responses={status.HTTP_200_OK: {"model": Datasource}},
    dependencies=[MAY_RECORD],
)
async def record_datasource(
    body: DatasourceRecord, datasources: Datasources, response: Response
) -> Datasource:
    datasource, is_new = await datasources.record(body)
    response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    return datasource


@router.get("", summary="List datasources", dependencies=[MAY_VIEW])
async def list_datasources(
    datasources: Datasources,
    page: WantedPage,
    deployment_id: IdQuery = None,
    state: Annotated[DatasourceState | None, Query()] = None,
) -> Page[Datasource]:
    return await datasources.page(page, deployment_id=deployment_id, state=state)


@router.get("/{datasource_id}", summary="Show a datasource", dependencies=[MAY_VIEW])
async def show_datasource(datasource_id: PathId, datasources: Datasources) -> Datasource:
    return await datasources.get(datasource_id)


@router.post(
    "/{datasource_id}/send",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Announce the same records to another deployment",
    dependencies=[MAY_EDIT],
)
async def send_datasource(
    datasource_id: PathId,
    body: DatasourceSend,
    datasources: Datasources,
    once: OnlyOnce,
) -> Datasource:
    return await once.answer(Datasource, partial(datasources.send, datasource_id, body))
