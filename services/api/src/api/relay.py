"""The relay: publishes the outbox to Kafka, each record at least once and in order.

One relay works at a time, which an advisory lock of the database decides; others wait.
A record leaves the outbox after all replicas have it, so whatever is killed, nothing is
lost and at most one batch is repeated. Letters, which users' topics get, have a relay of
their own: what keeps them waiting must not keep the events.
"""

import asyncio

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from api.config import RelaySettings
from api.services.publisher import Publisher
from api.services.relay import Relay
from api.services.relay_metrics import RelayMetrics
from api.services.topics import ensure_topics
from api.storage.outbox import Outbox
from kafkaml.backoff import Backoff, is_set_within
from kafkaml.config import KafkaSettings
from kafkaml.exceptions import TopicError
from kafkaml.heartbeat import Heartbeat
from kafkaml.logging import configure_logging
from kafkaml.signals import stop_on_signals

IDLE_SECONDS = 0.075
LETTERS_IDLE_SECONDS = 0.5
STANDBY_SECONDS = 1.0

# What passes by itself when the database or Kafka is back.
_INTERRUPTIONS = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    KafkaError,
    TopicError,
    OSError,
)

logger = structlog.get_logger(__name__)


class RelayProcess:
    """Keeps a relay going: gets the lock, survives the database and Kafka being away."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        kafka: KafkaSettings,
        metrics: RelayMetrics,
        heartbeat: Heartbeat,
        stop: asyncio.Event,
        letters: bool = False,
    ) -> None:
        self._engine = engine
        self._letters = letters
        self._kafka = kafka
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._stop = stop
        self._backoff = Backoff()

    async def run(self) -> None:
        """Relay until stopped; the batch at hand is finished."""
        while not self._stop.is_set():
            self._heartbeat.beat()
            try:
                await self._relay_while_locked()
            except _INTERRUPTIONS as e:
                delay = self._backoff.next_delay()
                logger.warning("relay interrupted", error=repr(e), retry_seconds=delay)
                await is_set_within(self._stop, delay)

    async def _relay_while_locked(self) -> None:
        async with self._engine.connect() as connection:
            outbox = Outbox(connection, letters=self._letters)
            if not await self._lock(outbox):
                return
            if not self._letters:
                await ensure_topics(
                    self._kafka, [self._kafka.events_topic, self._kafka.control_topic]
                )
            publisher = Publisher(self._kafka)
            try:
                await self._relay_until_stopped(
                    Relay(outbox=outbox, publisher=publisher, metrics=self._metrics)
                )
            finally:
                await publisher.close()

    async def _lock(self, outbox: Outbox) -> bool:
        waiting = False
        while not await outbox.try_lock():
            if not waiting:
                logger.info("standing by: another relay is active")
            waiting = True
            self._heartbeat.beat()
            if await is_set_within(self._stop, STANDBY_SECONDS):
                return False
        return True

    async def _relay_until_stopped(self, relay: Relay) -> None:
        logger.info("relay active")
        while not self._stop.is_set():
            self._heartbeat.beat()
            count = await relay.relay_batch()
            self._backoff.reset()
            if not count:
                idle = LETTERS_IDLE_SECONDS if self._letters else IDLE_SECONDS
                await is_set_within(self._stop, idle)


def create_relay_engine(settings: RelaySettings) -> AsyncEngine:
    """Return an engine whose connections are direct and notice a peer that is gone."""
    keepalives = {
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
    return create_async_engine(
        settings.database_url.get_secret_value(),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={
            "timeout": settings.database_connect_timeout.total_seconds(),
            "command_timeout": settings.database_statement_timeout.total_seconds(),
            "server_settings": {"application_name": "kafkaml-relay", **keepalives},
        },
    )


async def run(settings: RelaySettings) -> None:
    """Relay until the process is told to stop."""
    stop = asyncio.Event()
    stop_on_signals(stop.set)
    engine = create_relay_engine(settings)
    with RelayMetrics.served(settings.relay_metrics_port) as metrics:
        relays = [
            RelayProcess(
                engine=engine,
                kafka=settings,
                metrics=metrics,
                heartbeat=Heartbeat(None if letters else settings.heartbeat_file),
                stop=stop,
                letters=letters,
            )
            for letters in (False, True)
        ]
        await asyncio.gather(*(each.run() for each in relays))
    await engine.dispose()


def main() -> None:
    """Run the relay with the settings of the environment."""
    settings = RelaySettings()
    configure_logging(settings)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
