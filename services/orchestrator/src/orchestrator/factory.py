"""Builds the orchestrator from its settings."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Protocol

from prometheus_client import start_http_server

from kafkaml.client import AsyncClient
from kafkaml.heartbeat import Heartbeat
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import SettingsError
from orchestrator.executors.base import Executor
from orchestrator.executors.process import ProcessExecutor
from orchestrator.executors.warm_parent import WarmParent
from orchestrator.listener import EventListener
from orchestrator.loop import ReconcileLoop
from orchestrator.metrics import Metrics
from orchestrator.reconcile import Reconciler
from orchestrator.topics import KafkaTopics

API_TIMEOUT = timedelta(seconds=10)
WAKER_TIMEOUT = timedelta(seconds=5)

_LOOPBACK = re.compile(r"(?<![\w.-])(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)(?![\w.-])")


class Waker(Protocol):
    """What sets the event that wakes the loop; the loop turns without it, only later."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, whatever goes wrong."""
        ...


class Orchestrator:
    """The loop and what wakes it."""

    def __init__(
        self, *, loop: ReconcileLoop, wakers: Sequence[Waker], wake: asyncio.Event
    ) -> None:
        self._loop = loop
        self._wakers = wakers
        self._wake = wake
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Run until `stop` is called; what runs is left running."""
        waking = {asyncio.create_task(each.run(self._stop)) for each in self._wakers}
        try:
            await self._loop.run(self._stop)
        finally:
            # They have nothing to finish, and may be waiting for somebody who is away.
            for each in waking:
                each.cancel()
            await asyncio.wait(waking, timeout=WAKER_TIMEOUT.total_seconds())

    def stop(self) -> None:
        """End after the pass at hand; calling it again does no harm."""
        self._stop.set()
        self._wake.set()


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Orchestrator]:
    """Build an orchestrator; what it holds open is closed at the end of the context."""
    _check_addresses(settings)
    wake, metrics = asyncio.Event(), Metrics()
    async with (
        _client(settings) as client,
        _executor(settings, wake) as (executor, watchers),
    ):
        reconciler = Reconciler(
            api=client.workloads,
            executor=executor,
            topics=KafkaTopics(settings=settings),
            environment=EnvironmentBuilder(settings=settings),
            metrics=metrics,
        )
        loop = ReconcileLoop(
            reconciler=reconciler,
            metrics=metrics,
            wake=wake,
            interval=settings.pass_interval,
            heartbeat=Heartbeat(settings.heartbeat_file),
        )
        listener = EventListener(settings=settings, wake=wake)
        with _serving(metrics, settings.metrics_port):
            yield Orchestrator(loop=loop, wakers=[listener, *watchers], wake=wake)


def _client(settings: Settings) -> AsyncClient:
    if settings.token is None:
        raise SettingsError(
            "KAFKA_ML_TOKEN is not set: the API's token of the orchestrator"
        )
    # The next pass is the retry; a call that waits would only make its answer older.
    return AsyncClient(
        settings.url,
        settings.token.get_secret_value(),
        timeout=API_TIMEOUT,
        retry_for=timedelta(),
    )


def _check_addresses(settings: Settings) -> None:
    """Refuse addresses that a container takes for its own."""
    is_apart = settings.executor == "kubernetes" or (
        settings.executor == "docker" and settings.docker_network != "host"
    )
    addresses = {
        "KAFKA_ML_URL": settings.url,
        "KAFKA_ML_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
    }
    for name, address in addresses.items():
        if is_apart and _LOOPBACK.search(address):
            raise SettingsError(
                f"{name} is {address}, which a container takes for itself: with the "
                f"executor {settings.executor} it must be an address that containers reach"
            )


@asynccontextmanager
async def _executor(
    settings: Settings, wake: asyncio.Event
) -> AsyncIterator[tuple[Executor, Sequence[Waker]]]:
    """Yield the executor that the settings name, and what watches where it runs things.

    Only its libraries are loaded.
    """
    match settings.executor:
        case "process":
            with _warm_parent(settings) as warm_parent:
                process = ProcessExecutor(
                    directory=settings.workloads_directory,
                    commands=settings.commands,
                    grace=settings.stop_grace,
                    warm_parent=warm_parent,
                )
                yield process, ()
        case "docker":
            from orchestrator.executors.docker.executor import DockerExecutor

            async with DockerExecutor.connect(settings=settings) as docker:
                yield docker, ()
        case "kubernetes":
            from orchestrator.executors.kubernetes.executor import KubernetesExecutor

            async with KubernetesExecutor.connect(settings=settings) as kubernetes:
                yield kubernetes, [kubernetes.watcher(wake)]


@contextmanager
def _warm_parent(settings: Settings) -> Iterator[WarmParent | None]:
    if not settings.warm_start:
        yield None
        return
    parent = WarmParent(command=settings.warm_command, idle=settings.warm_idle)
    try:
        yield parent
    finally:
        parent.close()


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
