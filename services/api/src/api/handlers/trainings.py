"""Trainings."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from api.dependencies import Files, IdQuery, Trainings, WantedPage
from api.handlers.bodies import (
    OCTET_STREAM,
    PLAIN_TEXT,
    WantedFormat,
    artifact_answer,
    binary_answer,
    text_answer,
)
from api.handlers.paths import AttemptQuery, PathId
from api.permissions import MAY_EDIT, MAY_VIEW
from kafkaml.schemas.base import Page
from kafkaml.schemas.states import TrainingState
from kafkaml.schemas.trainings import (
    ArtifactFormat,
    ConfusionMatrix,
    Training,
    TrainingMetrics,
)

router = APIRouter(prefix="/trainings", tags=["trainings"])


@router.get("", summary="List trainings", dependencies=[MAY_VIEW])
async def list_trainings(
    trainings: Trainings,
    page: WantedPage,
    deployment_id: IdQuery = None,
    state: Annotated[TrainingState | None, Query()] = None,
) -> Page[Training]:
    return await trainings.page(page, deployment_id=deployment_id, state=state)


@router.get("/{training_id}", summary="Show a training", dependencies=[MAY_VIEW])
async def show_training(training_id: PathId, trainings: Trainings) -> Training:
    return await trainings.get(training_id)


@router.get(
    "/{training_id}/metrics",
    summary="Show the curves of an attempt",
    dependencies=[MAY_VIEW],
)
async def show_metrics(
    training_id: PathId, trainings: Trainings, attempt: AttemptQuery = None
) -> TrainingMetrics:
    return await trainings.metrics(training_id, attempt)


@router.get(
    "/{training_id}/confusion-matrix",
    summary="Show which classes were taken for which",
    dependencies=[MAY_VIEW],
)
async def show_confusion_matrix(
    training_id: PathId, trainings: Trainings
) -> ConfusionMatrix:
    return await trainings.confusion_matrix(training_id)


@router.get(
    "/{training_id}/artifact",
    summary="Download the trained model",
    description="A `.keras` file, or an export; the header `X-Content-SHA256` has its "
    "digest. Of a training that diverged, the last good weights.",
    response_class=Response,
    responses=binary_answer(OCTET_STREAM),
    dependencies=[MAY_VIEW],
)
async def download_artifact(
    training_id: PathId, files: Files, wanted: WantedFormat = ArtifactFormat.KERAS
) -> Response:
    download = await files.download_artifact(training_id, wanted)
    return artifact_answer(download, name=f"training-{training_id}{wanted.suffix}")


@router.get(
    "/{training_id}/logs",
    summary="Show what an attempt wrote",
    response_class=Response,
    responses=binary_answer(PLAIN_TEXT),
    dependencies=[MAY_VIEW],
)
async def show_training_log(
    training_id: PathId, files: Files, attempt: AttemptQuery = None
) -> Response:
    return text_answer(await files.training_log(training_id, attempt))


@router.post(
    "/{training_id}/stop",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Stop a training",
    description="One that is over stays as it is.",
    dependencies=[MAY_EDIT],
)
async def stop_training(training_id: PathId, trainings: Trainings) -> Training:
    return await trainings.stop(training_id)


@router.post(
    "/{training_id}/finish",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Finish a training of a stream without an end",
    description="It reads no more, measures its model and ends with a result.",
    dependencies=[MAY_EDIT],
)
async def finish_training(training_id: PathId, trainings: Trainings) -> Training:
    return await trainings.finish(training_id)


@router.post(
    "/{training_id}/retry",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Try a failed or stopped training again",
    description="The new attempt reads the control messages since the deployment again.",
    dependencies=[MAY_EDIT],
)
async def retry_training(training_id: PathId, trainings: Trainings) -> Training:
    return await trainings.retry(training_id)
