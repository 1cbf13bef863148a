"""What routes ask for. All of it is closed before the answer is sent, commit included.

All are coroutines, even where nothing is awaited: FastAPI runs plain functions in threads.
"""

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Header, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.components import Components
from api.exceptions import AttemptOverError, UnauthenticatedError
from api.idempotency import IdempotencyKey, Once
from api.paging import DEFAULT_LIMIT, MAX_LIMIT, PageRequest
from api.services.attempts import AttemptService
from api.services.authentication import AuthenticationService, Caller
from api.services.configurations import ConfigurationService
from api.services.datasources import DatasourceService
from api.services.dead_letters import DeadLetterService
from api.services.deployments import DeploymentService
from api.services.event_stream import EventStream
from api.services.files import FileService
from api.services.inferences import InferenceService
from api.services.models import ModelService
from api.services.predictions import PredictionService
from api.services.replica_addresses import ReplicaAddressService
from api.services.statistics import StatisticsService
from api.services.tokens import TokenService
from api.services.trainings import TrainingService
from api.services.wanted_workloads import WantedWorkloads
from api.services.workloads import WorkloadService
from api.storage.tokens import TokenStore
from api.storage.unit_of_work import UnitOfWork
from kafkaml.control import MAX_ID

bearer = HTTPBearer(
    auto_error=False,
    description="A token with the scope that the call needs. The first admin token is that "
    "of `KAFKA_ML_ADMIN_TOKEN`, or the one that the API printed when it first started.",
)

IdQuery = Annotated[int | None, Query(ge=1, le=MAX_ID)]


async def get_components(request: Request) -> Components:
    """Return what the process shares."""
    return cast("Components", request.app.state.components)


SharedComponents = Annotated[Components, Depends(get_components)]


async def open_work(components: SharedComponents) -> AsyncIterator[UnitOfWork]:
    """Open the one transaction of a request."""
    async with components.units.begin() as work:
        yield work


Work = Annotated[UnitOfWork, Depends(open_work, scope="function")]


async def get_caller(
    components: SharedComponents,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Return who calls; the look-up is no part of the request's transaction."""
    if credentials is None:
        raise UnauthenticatedError
    async with components.database.statement() as session:
        service = AuthenticationService(tokens=TokenStore(session=session))
        return await service.authenticate(credentials.credentials)


CurrentCaller = Annotated[Caller, Depends(get_caller)]


async def get_page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before")
    ] = None,
) -> PageRequest:
    """Return which page is asked for."""
    return PageRequest.from_query(limit=limit, cursor=cursor)


WantedPage = Annotated[PageRequest, Depends(get_page)]


async def get_once(
    request: Request,
    response: Response,
    work: Work,
    caller: CurrentCaller,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="repeat a request under the same key and it has one effect",
        ),
    ] = None,
) -> Once:
    """Return what makes a repeated request harmless."""
    key = None
    if idempotency_key is not None:
        key = await IdempotencyKey.of(request, caller=caller, key=idempotency_key)
    return Once(work=work, response=response, key=key)


OnlyOnce = Annotated[Once, Depends(get_once)]


async def get_event_stream(components: SharedComponents) -> EventStream:
    """Return the stream of live events."""
    return components.event_stream


async def get_files(components: SharedComponents) -> FileService:
    """Return what transfers artifacts and logs; it opens its own transactions."""
    return components.files


async def get_predictions(components: SharedComponents) -> PredictionService:
    """Return what asks replicas; it opens its own transactions."""
    return components.predictions


async def get_models(work: Work) -> ModelService:
    return ModelService(work=work)


async def get_configurations(work: Work) -> ConfigurationService:
    return ConfigurationService(work=work)


async def get_deployments(work: Work, components: SharedComponents) -> DeploymentService:
    return DeploymentService(work=work, kafka=components.settings)


async def get_trainings(work: Work) -> TrainingService:
    return TrainingService(work=work)


async def get_datasources(work: Work) -> DatasourceService:
    return DatasourceService(work=work)


async def get_inferences(work: Work) -> InferenceService:
    return InferenceService(work=work)


async def get_dead_letters(work: Work, components: SharedComponents) -> DeadLetterService:
    return DeadLetterService(
        log=components.dead_letter_log, units=components.units, work=work
    )


async def get_statistics(work: Work) -> StatisticsService:
    return StatisticsService(work=work)


async def get_tokens(work: Work) -> TokenService:
    return TokenService(work=work)


async def get_wanted_workloads(work: Work, components: SharedComponents) -> WantedWorkloads:
    return WantedWorkloads(work=work, settings=components.settings)


async def get_workloads(work: Work, components: SharedComponents) -> WorkloadService:
    return WorkloadService(
        work=work, check_max_attempts=components.settings.check_max_attempts
    )


async def get_replica_addresses(work: Work, caller: CurrentCaller) -> ReplicaAddressService:
    """Return what notes where the replicas of the caller's attempt are."""
    if caller.attempt is None:
        raise AttemptOverError
    return ReplicaAddressService(work=work, attempt=caller.attempt)


async def get_attempt(
    work: Work, components: SharedComponents, caller: CurrentCaller
) -> AttemptService:
    """Return the service for the attempt that the caller's token names."""
    if caller.attempt is None:
        raise AttemptOverError
    return AttemptService(
        work=work,
        attempt=caller.attempt,
        check_max_attempts=components.settings.check_max_attempts,
    )


Files = Annotated[FileService, Depends(get_files)]
Models = Annotated[ModelService, Depends(get_models)]
Configurations = Annotated[ConfigurationService, Depends(get_configurations)]
Deployments = Annotated[DeploymentService, Depends(get_deployments)]
Trainings = Annotated[TrainingService, Depends(get_trainings)]
Datasources = Annotated[DatasourceService, Depends(get_datasources)]
DeadLetters = Annotated[DeadLetterService, Depends(get_dead_letters)]
Inferences = Annotated[InferenceService, Depends(get_inferences)]
Statistics = Annotated[StatisticsService, Depends(get_statistics)]
Tokens = Annotated[TokenService, Depends(get_tokens)]
Wanted = Annotated[WantedWorkloads, Depends(get_wanted_workloads)]
Workloads = Annotated[WorkloadService, Depends(get_workloads)]
Attempt = Annotated[AttemptService, Depends(get_attempt)]
Predictions = Annotated[PredictionService, Depends(get_predictions)]
ReplicaAddresses = Annotated[ReplicaAddressService, Depends(get_replica_addresses)]
