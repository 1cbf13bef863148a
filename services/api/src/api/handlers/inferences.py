"""Inferences."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from api.dependencies import Files, IdQuery, Inferences, OnlyOnce, WantedPage
from api.handlers.bodies import PLAIN_TEXT, binary_answer, text_answer
from api.handlers.paths import MAX_INTEGER, PathId
from api.permissions import MAY_EDIT, MAY_VIEW
from kafkaml.schemas.base import Page
from kafkaml.schemas.inferences import Inference, InferenceCreate, InferenceScale
from kafkaml.schemas.served_models import ServedModels
from kafkaml.schemas.states import InferenceState

router = APIRouter(prefix="/inferences", tags=["inferences"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Serve a finished training",
    description="Records of the input topic are answered in the output topic. Format and "
    "configuration come from the stream of the training, unless given.",
    dependencies=[MAY_EDIT],
)
async def create_inference(
    body: InferenceCreate, inferences: Inferences, once: OnlyOnce
) -> Inference:
    return await once.answer(Inference, partial(inferences.create, body))


@router.get("", summary="List inferences", dependencies=[MAY_VIEW])
async def list_inferences(
    inferences: Inferences,
    page: WantedPage,
    training_id: IdQuery = None,
    state: Annotated[InferenceState | None, Query()] = None,
) -> Page[Inference]:
    return await inferences.page(page, training_id=training_id, state=state)


@router.get("/{inference_id}", summary="Show an inference", dependencies=[MAY_VIEW])
async def show_inference(inference_id: PathId, inferences: Inferences) -> Inference:
    return await inferences.get(inference_id)


@router.get(
    "/{inference_id}/logs",
    summary="Show what a replica wrote",
    response_class=Response,
    responses=binary_answer(PLAIN_TEXT),
    dependencies=[MAY_VIEW],
)
async def show_inference_log(
    inference_id: PathId,
    files: Files,
    replica: Annotated[int, Query(ge=0, le=MAX_INTEGER)] = 0,
) -> Response:
    return text_answer(await files.inference_log(inference_id, replica))


@router.post(
    "/{inference_id}/stop",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Stop an inference",
    description="One that is over stays as it is.",
    dependencies=[MAY_EDIT],
)
async def stop_inference(inference_id: PathId, inferences: Inferences) -> Inference:
    return await inferences.stop(inference_id)


@router.post(
    "/{inference_id}/scale",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Change the number of replicas",
    dependencies=[MAY_EDIT],
)
async def scale_inference(
    inference_id: PathId, body: InferenceScale, inferences: Inferences
) -> Inference:
    return await inferences.scale(inference_id, body)


@router.post(
    "/{inference_id}/resume",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Let an inference go on that paused because of its dead letters",
    description="One that did not pause stays as it is.",
    dependencies=[MAY_EDIT],
)
async def resume_inference(inference_id: PathId, inferences: Inferences) -> Inference:
    return await inferences.resume(inference_id)


@router.put(
    "/{inference_id}/models",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Change the models that answer",
    description="The replicas go on with their models until they have loaded these. No "
    "record is lost or answered twice.",
    dependencies=[MAY_EDIT],
)
async def change_models(
    inference_id: PathId, body: ServedModels, inferences: Inferences
) -> Inference:
    return await inferences.change_models(inference_id, body)


@router.post(
    "/{inference_id}/rollback",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Return to the models before",
    description="Those of now become the ones before.",
    dependencies=[MAY_EDIT],
)
async def roll_back_models(inference_id: PathId, inferences: Inferences) -> Inference:
    return await inferences.roll_back(inference_id)


@router.delete(
    "/{inference_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete an inference that is over",
    dependencies=[MAY_EDIT],
)
async def delete_inference(inference_id: PathId, inferences: Inferences) -> None:
    await inferences.delete(inference_id)
