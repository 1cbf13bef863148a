"""Starts workloads: makes what is missing of their objects."""

from collections.abc import Iterator, Mapping

from kafkaml.schemas.workloads import Workload, WorkloadKind
from orchestrator.builders.labels import MANAGED, PLATFORM
from orchestrator.builders.manifests import ManifestBuilder
from orchestrator.exceptions import ExecutorError, NotNowError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.pods import is_terminating
from orchestrator.executors.kubernetes.resources import (
    SCALED_OBJECTS,
    SETS,
    Manifest,
    resource_of,
)
from orchestrator.executors.kubernetes.set_size import SetSize
from orchestrator.executors.kubernetes.unfinished_starts import UnfinishedStarts
from orchestrator.pods.status import items, part

Environment = Mapping[str, str]


class WorkloadStarter:
    """Makes the object that owns all others first, and the Secret last.

    Pods wait for the Secret, and whoever looks sees by it that nothing is missing. So a
    start may be cut short anywhere and made once more, by anybody.
    """

    def __init__(
        self,
        *,
        client: KubernetesClient,
        manifests: ManifestBuilder,
        size: SetSize,
        unfinished: UnfinishedStarts,
        is_autoscaled: bool,
    ) -> None:
        self._client = client
        self._manifests = manifests
        self._size = size
        self._unfinished = unfinished
        self._is_autoscaled = is_autoscaled

    async def start(self, workload: Workload, environment: Environment) -> None:
        """Make what is missing, and correct the size of a set."""
        if workload.kind is WorkloadKind.INFERENCE:
            owner = await self._make_set(workload, environment)
        else:
            owner = await self._make_owner(
                self._manifests.job(workload, environment), workload
            )
        for manifest in self._dependents(workload, environment, owner):
            await self._make_dependent(manifest, owner)

    async def _make_set(self, workload: Workload, environment: Environment) -> Manifest:
        owner = await self._find_set(workload)
        if owner is None:
            manifest = self._manifests.inference(workload, environment)
            marked = self._size.mark(manifest, workload.replicas)
            owner = await self._make_owner(marked, workload)
        changes = self._size.correction(owner, workload.replicas)
        if changes is not None:
            await self._client.patch(resource_of(owner), workload.name, changes)
        return owner

    async def _find_set(self, workload: Workload) -> Manifest | None:
        """Return the set, of whichever kind it is: the setting may have changed."""
        for resource in SETS:
            found = await self._client.get(resource, workload.name)
            if found is not None:
                return self._adopt(found, workload)
        return None

    async def _make_owner(self, manifest: Manifest, workload: Workload) -> Manifest:
        resource = resource_of(manifest)
        created = await self._client.create(resource, manifest)
        if created is not None:
            return created
        found = await self._client.get(resource, workload.name)
        if found is None:
            raise NotNowError(f"{workload.name} was removed while it was started")
        return self._adopt(found, workload)

    def _adopt(self, found: Manifest, workload: Workload) -> Manifest:
        """Return what is there already, if it is ours to go on with."""
        labels = part(found, "metadata", "labels")
        if labels.get(PLATFORM) != str(workload.platform):
            self._unfinished.show(found["metadata"]["uid"])
            raise ExecutorError(
                f"{found['kind']} {workload.name} is of another installation of Kafka-ML"
            )
        if is_terminating(found):
            raise NotNowError(f"{found['kind']} {workload.name} is still being removed")
        return found

    def _dependents(
        self, workload: Workload, environment: Environment, owner: Manifest
    ) -> Iterator[Manifest]:
        if workload.kind is WorkloadKind.INFERENCE:
            yield self._manifests.service(workload, owner)
            yield self._manifests.disruption_budget(workload, owner)
            # KEDA knows the platform's own cluster only.
            if self._is_autoscaled and workload.topics[0].cluster is None:
                yield self._manifests.scaled_object(workload, owner)
        yield self._manifests.secret(workload, environment, owner)

    async def _make_dependent(self, manifest: Manifest, owner: Manifest) -> None:
        resource, name = resource_of(manifest), manifest["metadata"]["name"]
        if await self._client.create(resource, manifest) is not None:
            return
        found = await self._client.get(resource, name)
        if found is not None and _is_owned(found, owner):
            if resource == SCALED_OBJECTS:
                await self._client.patch(resource, name, {"spec": manifest["spec"]})
            return
        if found is not None:
            await self._remove_stale(found)
        if await self._client.create(resource, manifest) is None:
            raise NotNowError(f"{resource.kind} {name} of an earlier start is in the way")

    async def _remove_stale(self, found: Manifest) -> None:
        """Remove what the garbage collector of the cluster has not come to yet."""
        name = found["metadata"]["name"]
        if not MANAGED.items() <= part(found, "metadata", "labels").items():
            raise ExecutorError(f"{found['kind']} {name} belongs to somebody else")
        await self._client.delete(resource_of(found), name, found["metadata"]["uid"])


def _is_owned(found: Manifest, owner: Manifest) -> bool:
    references = items(found, "metadata", "ownerReferences")
    return owner["metadata"]["uid"] in {each.get("uid") for each in references}
