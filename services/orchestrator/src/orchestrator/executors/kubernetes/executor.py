"""The executor for a cluster: checks and trainings are Jobs, inferences are sets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Self

from kafkaml.schemas.workloads import Workload
from orchestrator.builders.manifests import ManifestBuilder
from orchestrator.config import Settings
from orchestrator.exceptions import StillRunningError, UnknownReplicaError
from orchestrator.executors.base import Replica
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.cluster_reader import ClusterReader
from orchestrator.executors.kubernetes.log_reader import LogReader
from orchestrator.executors.kubernetes.objects import WorkloadObjects
from orchestrator.executors.kubernetes.pods import is_terminating
from orchestrator.executors.kubernetes.replica_logs import ReplicaLogs, Slot
from orchestrator.executors.kubernetes.replica_reader import ReplicaReader
from orchestrator.executors.kubernetes.resources import resource_of
from orchestrator.executors.kubernetes.set_size import SetSize
from orchestrator.executors.kubernetes.starter import WorkloadStarter
from orchestrator.executors.kubernetes.unfinished_starts import UnfinishedStarts
from orchestrator.executors.kubernetes.watcher import ClusterWatcher


class KubernetesExecutor:
    """Runs workloads in one namespace, which it wants for itself.

    All state is in the cluster, and what is deleted is named by its uid: so several
    orchestrators may act at once, each on what it saw. Only what may be lost is kept in
    memory: the numbers of a set's pods, and which logs were read.
    """

    def __init__(
        self,
        *,
        client: KubernetesClient,
        manifests: ManifestBuilder,
        keda_max_replicas: int | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        size, unfinished = SetSize(most=keda_max_replicas), UnfinishedStarts()
        self._client = client
        self._logs = ReplicaLogs()
        self._log_reader = LogReader(client=client)
        self._cluster = ClusterReader(client=client, clock=clock)
        self._reader = ReplicaReader(logs=self._logs, unfinished=unfinished, size=size)
        self._starter = WorkloadStarter(
            client=client,
            manifests=manifests,
            size=size,
            unfinished=unfinished,
            is_autoscaled=keda_max_replicas is not None,
        )
        self._seen: dict[str, WorkloadObjects] = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls, *, settings: Settings) -> AsyncIterator[Self]:
        """Find the cluster as kubectl does; what runs is left running at the end."""
        async with KubernetesClient.connect(
            namespace=settings.kubernetes_namespace
        ) as client:
            yield cls(
                client=client,
                manifests=ManifestBuilder(settings=settings),
                keda_max_replicas=settings.kubernetes_keda_max_replicas,
            )

    def watcher(self, wake: asyncio.Event) -> ClusterWatcher:
        """Return what sets `wake` when something has changed, if it is run."""
        return ClusterWatcher(client=self._client, wake=wake)

    async def list(self) -> Sequence[Replica]:
        look = await self._cluster.look()
        self._seen = {objects.name: objects for objects in look.found}
        return self._reader.read_all(look)

    async def start(
        self,
        workload: Workload,
        replica: int,  # noqa: ARG002 - a Job has one only, and a set numbers its own
        environment: Mapping[str, str],
        *,
        starts: int = 0,  # noqa: ARG002 - the name alone says what was started
    ) -> None:
        await self._starter.start(workload, environment)

    async def stop(self, name: str, replica: int) -> None:  # noqa: ARG002 - see `start`
        objects = await self._objects(name)
        if objects is not None:
            await self._remove(objects)

    async def log(self, name: str, replica: int) -> bytes:
        slot = Slot(name, replica)
        if slot not in self._logs:
            await self.list()
        if slot not in self._logs:
            raise UnknownReplicaError(name, replica)
        pod = self._logs.pod(slot)
        content = b"" if pod is None else await self._log_reader.read(pod)
        if content is None:
            raise UnknownReplicaError(name, replica)
        self._logs.note_read(slot, content)
        return content

    async def forget(self, name: str, replica: int) -> None:
        objects = await self._objects(name)
        if objects is None:
            return
        if objects.living_pods and not objects.lacks_secret:
            raise StillRunningError(name, replica)
        await self._remove(objects)

    async def _objects(self, name: str) -> WorkloadObjects | None:
        """Return what the last look showed: what was made since is not what was meant."""
        return self._seen.get(name) or await self._cluster.find(name)

    async def _remove(self, objects: WorkloadObjects) -> None:
        """Delete the owners, or pods without one; the cluster removes what is owned."""
        for item in objects.owners or objects.pods:
            if not is_terminating(item):
                metadata = item["metadata"]
                await self._client.delete(
                    resource_of(item), metadata["name"], metadata["uid"]
                )
