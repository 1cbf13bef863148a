"""The client itself: where the API is, and its groups of methods."""

from datetime import timedelta
from types import TracebackType
from typing import Self

from kafkaml.client._async._session import AsyncSession
from kafkaml.client._async._transport import AsyncTransport, HttpTransport
from kafkaml.client._async.attempts import AsyncAttempts
from kafkaml.client._async.configurations import AsyncConfigurations
from kafkaml.client._async.datasources import AsyncDatasources
from kafkaml.client._async.deployments import AsyncDeployments
from kafkaml.client._async.events import AsyncEvents
from kafkaml.client._async.inferences import AsyncInferences
from kafkaml.client._async.models import AsyncModels
from kafkaml.client._async.tokens import AsyncTokens
from kafkaml.client._async.trainings import AsyncTrainings
from kafkaml.client._async.workloads import AsyncWorkloads
from kafkaml.client._deadlines import Duration, seconds
from kafkaml.config import ClientSettings


class AsyncClient:
    """The API of Kafka-ML.

    >>> async with AsyncClient() as client:
    ...     model = await client.models.get(1)

    `url` and `token` come from KAFKA_ML_URL and KAFKA_ML_TOKEN unless given. `timeout`
    bounds each step of a call: to connect, and how long the connection may be silent. A
    call that can safely be sent again is repeated for `retry_for` after its first failure,
    with growing random pauses; services that can wait set minutes. Bare numbers count
    seconds. `transport` replaces the network, for tests.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: Duration = timedelta(seconds=30),
        retry_for: Duration = timedelta(seconds=30),
        transport: HttpTransport | None = None,
    ) -> None:
        settings = ClientSettings()
        if token is None and settings.token is not None:
            token = settings.token.get_secret_value()
        session = AsyncSession(
            transport=AsyncTransport(
                url=settings.url if url is None else url,
                token=token,
                timeout_seconds=seconds(timeout),
                transport=transport,
            ),
            retry_for=retry_for,
        )
        self._session = session
        self.models = AsyncModels(session)
        self.configurations = AsyncConfigurations(session)
        self.deployments = AsyncDeployments(session)
        self.trainings = AsyncTrainings(session)
        self.datasources = AsyncDatasources(session)
        self.inferences = AsyncInferences(session)
        self.tokens = AsyncTokens(session)
        self.events = AsyncEvents(session)
        self.workloads = AsyncWorkloads(session)
        self.attempts = AsyncAttempts(session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        await self._session.aclose()
