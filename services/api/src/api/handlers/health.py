"""Whether the process is well, for those who watch it."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.dependencies import SharedComponents
from api.services.health import check_ready

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process answers")
async def show_health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="The process can serve")
async def show_readiness(components: SharedComponents) -> dict[str, str]:
    await check_ready(components.database)
    return {"status": "ok"}


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def show_metrics(components: SharedComponents) -> Response:
    return Response(
        generate_latest(components.metrics.registry), media_type=CONTENT_TYPE_LATEST
    )
