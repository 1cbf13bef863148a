"""The whole platform on one machine: up, down, and what it looks like."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Protocol

from kafkaml_local.exceptions import LocalError
from kafkaml_local.home import Home
from kafkaml_local.kafka import Kafka
from kafkaml_local.postgres import Postgres
from kafkaml_local.processes import BackgroundProcess
from kafkaml_local.services import DATABASE, ORCHESTRATOR, ServiceFactory
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.process import stop_all

LOCK_TIMEOUT = timedelta(minutes=10)
SERVER_TIMEOUT = timedelta(seconds=60)
SERVICE_TIMEOUT = timedelta(seconds=90)
WORKLOADS_TIMEOUT = timedelta(seconds=30)

Tell = Callable[[str], None]


class Part(Protocol):
    """One process of the platform."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str:
        """Where it listens, or nothing."""
        ...

    @property
    def process(self) -> BackgroundProcess: ...

    def start(self) -> None: ...

    def wait_ready(self, timeout: timedelta) -> None: ...

    def stop(self) -> None: ...


class Platform:
    """All parts of the platform whose state is in one folder."""

    def __init__(self, *, home: Home) -> None:
        ports = home.ports()
        self._home = home
        self._postgres = Postgres(directory=home.part("postgres"), port=ports.postgres)
        self._kafka = Kafka(
            directory=home.part("kafka"),
            port=ports.kafka,
            controller_port=ports.kafka_controller,
        )
        factory = ServiceFactory(home=home, database_url=self._postgres.url(DATABASE))
        self.url = factory.url
        self.bootstrap_servers = self._kafka.address
        self._migration = factory.migration()
        self._log_keeper = factory.log_keeper()
        self._services = factory.services()

    @property
    def parts(self) -> list[Part]:
        """All parts in the order of their start."""
        return [self._log_keeper, self._postgres, self._kafka, *self._services]

    def is_running(self) -> bool:
        """Say whether every part runs."""
        return all(part.process.is_running() for part in self.parts)

    def start(self, tell: Tell) -> None:
        """Start what does not run, and return when all is ready; raise `PartError`."""
        self._log_keeper.start()
        with ThreadPoolExecutor(max_workers=2) as pool:
            database = pool.submit(self._start_database)
            broker = pool.submit(self._start_broker, tell)
            database.result()
            broker.result()
        for service in self._services:
            service.start()
        for part in self.parts:
            tell(f"waiting for {part.name}")
            part.wait_ready(SERVICE_TIMEOUT)

    def stop(self, tell: Tell) -> None:
        """Stop everything, the last one first; one that fails does not keep the others."""
        with ExitStack() as stack:
            stack.callback(_stop, self._log_keeper, tell)
            stack.callback(_stop, self._postgres, tell)
            stack.callback(_stop, self._kafka, tell)
            stack.callback(self.stop_services, tell)

    def stop_services(self, tell: Tell) -> None:
        """Stop all but the servers; what is in Postgres and in Kafka is untouched."""
        with ExitStack() as stack:
            for service in self._services:
                if service.name == ORCHESTRATOR:
                    # Once it is gone, nobody starts them again.
                    stack.callback(self._stop_workloads, tell)
                stack.callback(_stop, service, tell)

    def _stop_workloads(self, tell: Tell) -> None:
        tell("stopping trainings and inferences")
        try:
            stop_all(self._home.workloads, timeout=WORKLOADS_TIMEOUT)
        except ExecutorError as error:
            raise LocalError(f"a training or inference did not end: {error}") from error

    def _start_database(self) -> None:
        self._postgres.start()
        self._postgres.wait_ready(SERVER_TIMEOUT)
        self._postgres.create_database(DATABASE)
        self._migration.run(SERVER_TIMEOUT)

    def _start_broker(self, tell: Tell) -> None:
        def tell_download(done: int, total: int) -> None:
            tell(f"fetching Kafka, only this once: {done} of {total} files")

        self._kafka.start(progress=tell_download)
        self._kafka.wait_ready(SERVER_TIMEOUT)


def _stop(part: Part, tell: Tell) -> None:
    tell(f"stopping {part.name}")
    part.stop()


def up(home: Home, tell: Tell) -> Platform:
    """Start what of a folder's platform does not run; return when all is ready."""
    tell("waiting for another command to end")
    with home.lock(LOCK_TIMEOUT):
        tell("starting Postgres and Kafka")
        home.make()
        _settle_ports(home, tell)
        platform = Platform(home=home)
        platform.start(tell)
    return platform


def down(home: Home, tell: Tell) -> None:
    """Stop the platform of a folder."""
    platform = Platform(home=home)
    with home.lock(LOCK_TIMEOUT):
        platform.stop(tell)


def _settle_ports(home: Home, tell: Tell) -> None:
    """Choose other ports for those that somebody else took while we did not run."""
    platform, ports = Platform(home=home), home.ports()
    running = {part.name for part in platform.parts if part.process.is_running()}
    chosen = ports.replace_taken(ours=_ports_of(running))
    if chosen != ports:
        platform.stop_services(tell)
        home.write_ports(chosen)


def _ports_of(running: set[str]) -> frozenset[str]:
    ours = running & {"api", "kafka", "postgres"}
    return frozenset(ours | ({"kafka_controller"} if "kafka" in ours else set()))
