"""Builds the orchestrator from its settings."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

from prometheus_client import start_http_server

from kafkaml.client import AsyncClient
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import SettingsError
from orchestrator.executors.process import ProcessExecutor
from orchestrator.listener import EventListener
from orchestrator.loop import ReconcileLoop
from orchestrator.metrics import Metrics
from orchestrator.reconcile import Reconciler
from orchestrator.topics import KafkaTopics

API_TIMEOUT = timedelta(seconds=10)
LISTENER_TIMEOUT = timedelta(seconds=5)


class Orchestrator:
    """The loop and what wakes it."""

    def __init__(
        self, *, loop: ReconcileLoop, listener: EventListener, wake: asyncio.Event
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._wake = wake
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Run until `stop` is called; what runs is left running."""
        listening = asyncio.create_task(self._listener.run(self._stop))
        try:
            await self._loop.run(self._stop)
        finally:
            # It has nothing to finish, and may be waiting for a broker that is away.
            listening.cancel()
            await asyncio.wait({listening}, timeout=LISTENER_TIMEOUT.total_seconds())

    def stop(self) -> None:
        """End after the pass at hand; calling it again does no harm."""
        self._stop.set()
        self._wake.set()


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Orchestrator]:
    """Build an orchestrator; what it holds open is closed at the end of the context."""
    if settings.token is None:
        raise SettingsError(
            "KAFKA_ML_TOKEN is not set: the API's token of the orchestrator"
        )
    wake, metrics = asyncio.Event(), Metrics()
    # The next pass is the retry; a call that waits would only make its answer older.
    client = AsyncClient(
        settings.url,
        settings.token.get_secret_value(),
        timeout=API_TIMEOUT,
        retry_for=timedelta(),
    )
    async with client:
        reconciler = Reconciler(
            api=client.workloads,
            executor=ProcessExecutor(
                directory=settings.workloads_directory,
                commands=settings.commands,
                grace=settings.stop_grace,
            ),
            topics=KafkaTopics(settings=settings),
            environment=EnvironmentBuilder(settings=settings),
            metrics=metrics,
        )
        loop = ReconcileLoop(
            reconciler=reconciler,
            metrics=metrics,
            wake=wake,
            interval=settings.pass_interval,
            heartbeat_file=settings.heartbeat_file,
        )
        listener = EventListener(settings=settings, wake=wake)
        with _serving(metrics, settings.metrics_port):
            yield Orchestrator(loop=loop, listener=listener, wake=wake)


@contextmanager
def _serving(metrics: Metrics, port: int | None) -> Iterator[None]:
    if port is None:
        yield
        return
    server, thread = start_http_server(port, registry=metrics.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
