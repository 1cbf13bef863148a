"""Orchestrators on a cluster in memory, and all that surrounds them."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from kafkaml.exceptions import ClientError
from orchestrator.builders.environment import EnvironmentBuilder
from orchestrator.builders.manifests import ManifestBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.executor import KubernetesExecutor
from orchestrator.metrics import Metrics
from orchestrator.reconcile import Reconciler
from orchestrator.testing import FakeTopics

from ..faults import FaultyApi  # noqa: TID252 - tests of one package
from ..world import Clock  # noqa: TID252
from .fake_kubernetes import FakeCluster, Manifest
from .fake_kubernetes_server import NAMESPACE, FakeApiServer

PASS_INTERVAL = timedelta(seconds=2)
ENVIRONMENT = {"KAFKA_ML_TOKEN": "secret-of-the-attempt", "KAFKA_ML_REPLICA": "0"}


@dataclass
class KubernetesWorld:
    """A cluster, its API server, clients of it, and the API of Kafka-ML.

    `time_limit` is that of the calls of clients made from now on.
    """

    clock: Clock
    cluster: FakeCluster
    server: FakeApiServer
    kubeconfig: Path
    stack: AsyncExitStack
    api: FaultyApi = field(default_factory=FaultyApi)
    topics: FakeTopics = field(default_factory=FakeTopics)
    time_limit: timedelta = timedelta(seconds=20)
    failed_passes: int = 0

    async def client(self, service_account: Path = Path("/nowhere")) -> KubernetesClient:
        connecting = KubernetesClient.connect(
            namespace=NAMESPACE,
            time_limit=self.time_limit,
            service_account=service_account,
        )
        return await self.stack.enter_async_context(connecting)

    async def executor(self, settings: Settings | None = None) -> KubernetesExecutor:
        settings = settings or Settings()
        return KubernetesExecutor(
            client=await self.client(),
            manifests=ManifestBuilder(settings=settings),
            keda_max_replicas=settings.kubernetes_keda_max_replicas,
            clock=self.clock,
        )

    async def orchestrator(self) -> Reconciler:
        return Reconciler(
            api=self.api,
            executor=await self.executor(),
            topics=self.topics,
            environment=EnvironmentBuilder(settings=Settings()),
            metrics=Metrics(),
            clock=self.clock,
        )

    async def passes(self, *orchestrators: Reconciler, number: int = 1) -> None:
        """Let each have its passes, and between them the cluster its turns."""
        for _ in range(number):
            for each in orchestrators:
                try:
                    await each.run_pass()
                except (ExecutorError, ClientError):
                    self.failed_passes += 1
                self.cluster.turn()
                self.check_attempts()
            self.clock.advance(PASS_INTERVAL)

    def check_attempts(self) -> None:
        """No check and no training is executed twice at a time, whatever happens."""
        jobs = Counter(
            pod["metadata"]["labels"]["kafka-ml/workload"].rpartition("-")[0]
            for pod in self.cluster.running()
            if pod["spec"]["restartPolicy"] == "Never"
        )
        assert all(number == 1 for number in jobs.values()), jobs

    def leftovers(self) -> list[Manifest]:
        """Return what is of no workload that is wanted; events and nodes don't count."""
        return [
            item
            for (plural, _), item in self.cluster.objects.items()
            if plural not in {"events", "nodes"}
            and item["metadata"]["labels"]["kafka-ml/workload"] not in self.api.workloads
        ]


@asynccontextmanager
async def kubernetes_world(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesWorld]:
    clock = Clock()
    cluster = FakeCluster(clock)
    async with AsyncExitStack() as stack:
        server = FakeApiServer(cluster)
        await server.start()
        stack.push_async_callback(server.stop)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig())
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield KubernetesWorld(clock, cluster, server, kubeconfig, stack)
