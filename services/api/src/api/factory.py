"""Builds the API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry

from api.components import Components
from api.config import ApiSettings
from api.handlers import (
    attempts,
    configurations,
    datasources,
    dead_letters,
    deployments,
    events,
    health,
    inferences,
    models,
    predictions,
    statistics,
    tokens,
    trainings,
    workloads,
)
from api.middleware.body_guard import MEBIBYTE, BodyGuard, BodyLimits
from api.middleware.observer import Observer, RequestMetrics
from api.openapi import DESCRIPTION, TAGS, describe_problems
from api.permissions import MAY_VIEW, check_permissions
from api.problems import add_problem_handlers
from api.services.checkpoint_sweeper import CheckpointSweeper
from api.services.dead_letter_log import DeadLetterLog
from api.services.event_stream import EventStream
from api.services.files import FileService
from api.services.first_tokens import FirstTokens
from api.services.health import wait_until_ready
from api.services.predictions import PredictionService
from api.services.replica_caller import ReplicaCaller
from api.startup import show_first_token
from api.storage.artifacts import ArtifactStore
from api.storage.database import Database, make_engine
from api.storage.unit_of_work import UnitsOfWork
from kafkaml.schemas.tokens import Scope
from kafkaml.schemas.trainings import ArtifactFormat

PREFIX = "/api/v1"

# A control message may have 1 MiB, which Base64 makes longer; a confusion matrix has as
# many numbers as classes squared; artifacts and checkpoints are streamed, and their store
# knows the limits.
BODY_LIMITS = BodyLimits(
    endings={("POST", "predict"): 4 * MEBIBYTE},
    special={
        ("POST", f"{PREFIX}/datasources"): 12 * MEBIBYTE,
        ("POST", f"{PREFIX}/attempts/current/result"): 16 * MEBIBYTE,
        ("PUT", f"{PREFIX}/attempts/current/artifact"): None,
        ("PUT", f"{PREFIX}/attempts/current/checkpoint"): None,
    }
    | {
        ("PUT", f"{PREFIX}/attempts/current/artifacts/{each}"): None
        for each in ArtifactFormat
    },
)


def create_app(settings: ApiSettings) -> FastAPI:
    """Return the API; it waits for its database when its lifespan begins."""
    app = FastAPIOffline(
        title="Kafka-ML",
        version=version("api"),
        summary="Machine learning on data streams",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        swagger_ui_parameters={"persistAuthorization": True, "tryItOutEnabled": True},
        lifespan=_lifespan,
    )
    app.state.components = build_components(settings)
    _add_routes(app)
    add_problem_handlers(app)
    describe_problems(app)
    check_permissions(app)
    app.state.templates = {
        id(route.original_route): str(route.path)
        for route in iter_route_contexts(app.routes)
    }
    app.add_middleware(BodyGuard, limits=BODY_LIMITS)
    app.add_middleware(Observer)
    return app


def build_components(settings: ApiSettings) -> Components:
    """Build what the process shares; nothing is connected yet."""
    database = Database(engine=make_engine(settings))
    units = UnitsOfWork(database=database, kafka=settings)
    artifacts = ArtifactStore.from_url(settings.artifacts_url)
    return Components(
        settings=settings,
        database=database,
        units=units,
        artifacts=artifacts,
        files=FileService(
            units=units,
            store=artifacts,
            max_artifact_bytes=settings.max_artifact_bytes,
            max_checkpoint_bytes=settings.max_checkpoint_bytes,
            check_max_attempts=settings.check_max_attempts,
        ),
        checkpoint_sweeper=CheckpointSweeper(units=units, store=artifacts),
        event_stream=EventStream(kafka=settings),
        predictions=PredictionService(units=units, caller=ReplicaCaller()),
        dead_letter_log=DeadLetterLog(kafka=settings),
        metrics=RequestMetrics(registry=CollectorRegistry()),
    )


def _add_routes(app: FastAPI) -> None:
    versioned = APIRouter(prefix=PREFIX)
    for noun in (
        models,
        configurations,
        deployments,
        datasources,
        trainings,
        inferences,
        dead_letters,
        statistics,
        tokens,
        workloads,
        attempts,
    ):
        versioned.include_router(noun.router)
    versioned.include_router(predictions.router)
    versioned.include_router(events.router, dependencies=[MAY_VIEW])
    app.include_router(versioned)
    app.include_router(health.router)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    components: Components = app.state.components
    settings = components.settings
    try:
        await wait_until_ready(
            components.database,
            longest=settings.database_wait,
            stopping=components.stopping,
        )
        first_tokens = FirstTokens(
            units=components.units,
            secrets={
                Scope.ADMIN: settings.admin_token,
                Scope.ORCHESTRATOR: settings.orchestrator_token,
                Scope.CONTROL_LOGGER: settings.control_logger_token,
            },
        )
        show_first_token(await first_tokens.prepare())
        await components.event_stream.start()
        components.checkpoint_sweeper.start()
        try:
            yield
        finally:
            await components.checkpoint_sweeper.stop()
            await components.event_stream.stop()
            await components.predictions.aclose()
    finally:
        await components.database.dispose()
