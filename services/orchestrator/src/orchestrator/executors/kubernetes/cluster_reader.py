"""Looks at the cluster."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.builders.labels import MANAGED, selector_of
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.objects import WorkloadObjects, group_objects
from orchestrator.executors.kubernetes.resources import (
    OWNERS,
    PODS,
    SECRETS,
    Manifest,
    Resource,
)
from orchestrator.executors.kubernetes.surroundings import Surroundings, SurroundingsReader

LOOK_TIMEOUT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Look:
    """What was there at one time, and around it."""

    found: Sequence[WorkloadObjects]
    now: datetime
    surroundings: Surroundings


class ClusterReader:
    """Lists the objects of all workloads, and what explains why some do not run."""

    def __init__(self, *, client: KubernetesClient, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._surroundings = SurroundingsReader(client=client)

    async def look(self) -> Look:
        """Look at everything; raise `ExecutorError` if that cannot be done."""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT.total_seconds()):
                found = await self._find(MANAGED)
                now = self._clock()
                is_unclear = any(objects.is_unclear(now) for objects in found)
                around = self._surroundings.read(now) if is_unclear else None
                return Look(found, now, await around if around else Surroundings())
        except TimeoutError as e:
            raise ExecutorError(
                f"looking at the cluster took more than {LOOK_TIMEOUT.seconds} s"
            ) from e

    async def find(self, name: str) -> WorkloadObjects | None:
        """Return the objects of one workload; None if there are none."""
        found = await self._find(selector_of(name))
        return found[0] if found else None

    async def _find(self, selector: Mapping[str, str]) -> list[WorkloadObjects]:
        # Pods come last: what a Job that is over tells of them is true by then.
        owners = [item for each in OWNERS for item in await self._list(each, selector)]
        secrets = await self._list(SECRETS, selector)
        pods = await self._list(PODS, selector)
        return group_objects(owners=owners, pods=pods, secrets=secrets)

    async def _list(
        self, resource: Resource, selector: Mapping[str, str]
    ) -> list[Manifest]:
        labels = ",".join(f"{name}={value}" for name, value in selector.items())
        return await self._client.find(
            resource, labels=labels, is_metadata_only=resource == SECRETS
        )
