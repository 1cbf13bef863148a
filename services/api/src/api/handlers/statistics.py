"""What the replicas of an inference count."""

from fastapi import APIRouter

from api.dependencies import Statistics
from api.handlers.paths import PathId
from api.permissions import MAY_VIEW
from kafkaml.schemas.statistics import InferenceStatistics

router = APIRouter(prefix="/inferences/{inference_id}/statistics", tags=["inferences"])


@router.get(
    "",
    summary="Show what the replicas of an inference count",
    description="In all and by replica, as told within the last half minute. Rates, means "
    "and latencies are of the last minute.",
    dependencies=[MAY_VIEW],
)
async def show_statistics(
    inference_id: PathId, statistics: Statistics
) -> InferenceStatistics:
    return await statistics.summary(inference_id)
