"""Attempts: the routes of trainers and inferencers; the token says which attempt it is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response, status

from api.dependencies import Attempt, Files
from api.exceptions import AttemptOverError
from api.handlers.bodies import (
    OCTET_STREAM,
    Sha256Header,
    WantedFormat,
    artifact_answer,
    binary_answer,
    binary_body,
)
from api.permissions import ATTEMPT, AttemptCaller
from api.services.authentication import Caller
from api.services.workload_names import AttemptReference
from kafkaml.schemas.attempts import (
    CheckReport,
    EpochReport,
    FailureReport,
    Order,
    PauseReport,
    ProgressReport,
    ResultReport,
)
from kafkaml.schemas.incremental import ImprovementReport
from kafkaml.schemas.served_models import RefusalReport
from kafkaml.schemas.statistics import StatisticsReport
from kafkaml.schemas.trainings import Artifact, ArtifactFormat

router = APIRouter(
    prefix="/attempts/current", tags=["attempts"], dependencies=[Depends(ATTEMPT)]
)


@router.get("", summary="Show what to do")
async def show_order(attempt: Attempt) -> Order:
    return await attempt.order()


@router.post(
    "/progress", status_code=status.HTTP_204_NO_CONTENT, summary="Tell how far it is"
)
async def report_progress(body: ProgressReport, attempt: Attempt) -> None:
    await attempt.report_progress(body)


@router.post(
    "/epochs",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Report the metrics of an epoch",
)
async def report_epoch(body: EpochReport, attempt: Attempt) -> None:
    await attempt.report_epoch(body)


@router.post(
    "/statistics",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Tell what a replica counts",
    description="Again and again: only the newest report is kept.",
)
async def report_statistics(body: StatisticsReport, attempt: Attempt) -> None:
    await attempt.report_statistics(body)


@router.post(
    "/pause",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Tell that no records are taken until the inference is resumed",
)
async def report_pause(body: PauseReport, attempt: Attempt) -> None:
    await attempt.report_pause(body)


@router.post(
    "/improvements",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Publish the uploaded model while the training goes on",
)
async def report_improvement(
    caller: AttemptCaller, body: ImprovementReport, files: Files
) -> None:
    await files.report_improvement(_attempt_of(caller), body)


@router.put(
    "/artifact",
    status_code=status.HTTP_201_CREATED,
    summary="Upload the trained model",
    openapi_extra=binary_body(OCTET_STREAM),
)
async def upload_artifact(
    caller: AttemptCaller, sha256: Sha256Header, request: Request, files: Files
) -> Artifact:
    return await files.upload_artifact(_attempt_of(caller), request.stream(), sha256=sha256)


@router.put(
    "/artifacts/{artifact_format}",
    status_code=status.HTTP_201_CREATED,
    summary="Upload the trained model in a format",
    openapi_extra=binary_body(OCTET_STREAM),
)
async def upload_export(
    caller: AttemptCaller,
    artifact_format: ArtifactFormat,
    sha256: Sha256Header,
    request: Request,
    files: Files,
) -> Artifact:
    return await files.upload_artifact(
        _attempt_of(caller),
        request.stream(),
        sha256=sha256,
        artifact_format=artifact_format,
    )


@router.get(
    "/artifact",
    summary="Download the model to serve",
    response_class=Response,
    responses=binary_answer(OCTET_STREAM),
)
async def download_served_artifact(
    caller: AttemptCaller,
    files: Files,
    wanted: WantedFormat = ArtifactFormat.KERAS,
    sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
) -> Response:
    download = await files.download_for(_attempt_of(caller), wanted, sha256=sha256)
    return artifact_answer(download, name=f"model{wanted.suffix}")


@router.put(
    "/checkpoint",
    status_code=status.HTTP_201_CREATED,
    summary="Upload where another attempt can go on",
    openapi_extra=binary_body(OCTET_STREAM),
)
async def upload_checkpoint(
    caller: AttemptCaller, sha256: Sha256Header, request: Request, files: Files
) -> Artifact:
    attempt = _attempt_of(caller)
    return await files.upload_checkpoint(attempt, request.stream(), sha256=sha256)


@router.get(
    "/checkpoint",
    summary="Download where to go on",
    response_class=Response,
    responses=binary_answer(OCTET_STREAM),
)
async def download_checkpoint(caller: AttemptCaller, files: Files) -> Response:
    download = await files.download_checkpoint(_attempt_of(caller))
    return artifact_answer(download, name="checkpoint")


@router.post(
    "/result",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Report the result of a training",
)
async def report_result(caller: AttemptCaller, body: ResultReport, files: Files) -> None:
    await files.report_result(_attempt_of(caller), body)


@router.post(
    "/check",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Report the outcome of a check",
)
async def report_check(body: CheckReport, attempt: Attempt) -> None:
    await attempt.report_check(body)


@router.post(
    "/refusal",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Tell why a replica goes on with other models than it is to have",
)
async def report_refusal(body: RefusalReport, attempt: Attempt) -> None:
    await attempt.report_refusal(body)


@router.post("/failure", status_code=status.HTTP_204_NO_CONTENT, summary="Give up")
async def report_failure(body: FailureReport, attempt: Attempt) -> None:
    await attempt.report_failure(body)


def _attempt_of(caller: Caller) -> AttemptReference:
    if caller.attempt is None:
        raise AttemptOverError
    return caller.attempt
