"""A reconciler and all that surrounds it, in memory."""

from datetime import UTC, datetime, timedelta

from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.config import Settings
from orchestrator.metrics import Metrics
from orchestrator.reconcile import PATIENCE, Reconciler
from orchestrator.testing import FakeTopics

from .faults import FaultyApi, FaultyExecutor


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta = timedelta(minutes=10)) -> None:
        self.now += by


class World:
    """A reconciler and all that surrounds it."""

    def __init__(self) -> None:
        self.api = FaultyApi()
        self.executor = FaultyExecutor()
        self.topics = FakeTopics()
        self.clock = Clock()
        self.metrics = Metrics()
        self.reconciler = self.another()

    def another(
        self, topics: FakeTopics | None = None, *, patience: timedelta = PATIENCE
    ) -> Reconciler:
        return Reconciler(
            api=self.api,
            executor=self.executor,
            topics=topics or self.topics,
            environment=EnvironmentBuilder(settings=Settings()),
            metrics=self.metrics,
            clock=self.clock,
            patience=patience,
        )

    async def passes(self, number: int = 1) -> None:
        for _ in range(number):
            await self.reconciler.run_pass()

    def running(self) -> set[tuple[str, int]]:
        return {slot for slot, it in self.executor.replicas.items() if it.is_running}
