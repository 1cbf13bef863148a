"""Predictions over HTTP, and where replicas are asked for them."""

from fastapi import APIRouter, Depends, Response, status

from api.dependencies import Predictions, ReplicaAddresses
from api.handlers.paths import PathId
from api.permissions import ATTEMPT, MAY_VIEW
from kafkaml.schemas.predictions import AddressReport, Prediction, PredictionRequest

router = APIRouter()


@router.post(
    "/inferences/{inference_id}/predict",
    tags=["inferences"],
    summary="Ask for predictions",
    description="A replica answers at once what it would write to the output topic, in "
    "the order of the records, or why there would be a dead letter. Nothing is written.",
    response_model=Prediction,
    dependencies=[MAY_VIEW],
)
async def predict(
    inference_id: PathId, body: PredictionRequest, predictions: Predictions
) -> Response:
    answer = await predictions.predict(inference_id, body)
    return Response(answer, media_type="application/json")


@router.post(
    "/attempts/current/address",
    status_code=status.HTTP_204_NO_CONTENT,
    tags=["attempts"],
    summary="Tell where a replica is asked for predictions",
    description="To be sent every 15 s: after 45 s without it no one asks there.",
    dependencies=[Depends(ATTEMPT)],
)
async def report_address(body: AddressReport, addresses: ReplicaAddresses) -> None:
    await addresses.note(body)
