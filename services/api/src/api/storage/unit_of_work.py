"""Everything that one transaction can read and write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from sqlalchemy.ext.asyncio import AsyncSession

from api.storage.configurations import ConfigurationStore
from api.storage.database import Database
from api.storage.datasources import DatasourceStore
from api.storage.deployments import DeploymentStore
from api.storage.idempotency_keys import IdempotencyKeyStore
from api.storage.inference_statistics import InferenceStatisticsStore
from api.storage.inferences import InferenceStore
from api.storage.metrics import MetricStore
from api.storage.models import ModelStore
from api.storage.outbox_writer import OutboxWriter
from api.storage.platforms import PlatformStore
from api.storage.replica_addresses import ReplicaAddressStore
from api.storage.sent_letters import SentLetterStore
from api.storage.tokens import TokenStore
from api.storage.trainings import TrainingStore
from kafkaml.config import KafkaSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOfWork:
    """The stores of one transaction, and the outbox for what it changes."""

    platforms: PlatformStore
    models: ModelStore
    configurations: ConfigurationStore
    deployments: DeploymentStore
    trainings: TrainingStore
    metrics: MetricStore
    datasources: DatasourceStore
    inferences: InferenceStore
    statistics: InferenceStatisticsStore
    replica_addresses: ReplicaAddressStore
    sent_letters: SentLetterStore
    tokens: TokenStore
    idempotency_keys: IdempotencyKeyStore
    outbox: OutboxWriter

    @classmethod
    def of(cls, session: AsyncSession, *, kafka: KafkaSettings) -> Self:
        """Return the stores that work in a session's transaction."""
        return cls(
            platforms=PlatformStore(session=session),
            models=ModelStore(session=session),
            configurations=ConfigurationStore(session=session),
            deployments=DeploymentStore(session=session),
            trainings=TrainingStore(session=session),
            metrics=MetricStore(session=session),
            datasources=DatasourceStore(session=session),
            inferences=InferenceStore(session=session),
            statistics=InferenceStatisticsStore(session=session),
            replica_addresses=ReplicaAddressStore(session=session),
            sent_letters=SentLetterStore(session=session),
            tokens=TokenStore(session=session),
            idempotency_keys=IdempotencyKeyStore(session=session),
            outbox=OutboxWriter(session=session, kafka=kafka),
        )


class UnitsOfWork:
    """Begins transactions."""

    def __init__(self, *, database: Database, kafka: KafkaSettings) -> None:
        self._database = database
        self._kafka = kafka

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """Open a transaction: committed at the end, rolled back on an error."""
        async with self._database.transaction() as session:
            yield UnitOfWork.of(session, kafka=self._kafka)
