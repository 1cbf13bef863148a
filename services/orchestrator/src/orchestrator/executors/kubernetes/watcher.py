"""Wakes the loop when something has changed in the cluster."""

import asyncio
from datetime import timedelta

import structlog

from kafkaml.backoff import Backoff, is_set_within
from orchestrator.builders.labels import MANAGED
from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.pods import is_terminating
from orchestrator.executors.kubernetes.resources import JOBS, PODS, Manifest, Resource
from orchestrator.pods.status import Document, items, main_container, part

DURATION = timedelta(minutes=1)
_LABELS = ",".join(f"{name}={value}" for name, value in MANAGED.items())

logger = structlog.stdlib.get_logger(__name__)


class ClusterWatcher:
    """Follows Jobs and pods, without a memory of what it saw.

    Each stream begins with what is there now, and lasts for `duration` at most: so one that
    is silent, or too old, ends by itself. All that is lost without it is time, for the loop
    looks at everything each time it turns.
    """

    def __init__(
        self,
        *,
        client: KubernetesClient,
        wake: asyncio.Event,
        duration: timedelta = DURATION,
    ) -> None:
        self._client = client
        self._wake = wake
        self._duration = duration

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`; whatever the API server does, try again."""
        async with asyncio.TaskGroup() as tasks:
            for resource in (JOBS, PODS):
                tasks.create_task(self._follow(resource, stop))

    async def _follow(self, resource: Resource, stop: asyncio.Event) -> None:
        backoff = Backoff(longest=timedelta(seconds=30))
        while not stop.is_set():
            try:
                has_seen = await self._watch(resource)
            except ExecutorError as e:
                logger.info("watching ended", kind=resource.kind, error=str(e))
                has_seen = False
            if has_seen:
                backoff.reset()
            # A server that ends each stream at once is not asked at once again.
            await is_set_within(stop, backoff.next_delay())

    async def _watch(self, resource: Resource) -> bool:
        """Follow one stream to its end; return whether it told anything."""
        revision = await self._client.revision(resource, labels=_LABELS)
        # Something may have changed while nobody watched.
        self._wake.set()
        seen: dict[str, object] = {}
        async with self._client.watch(
            resource, labels=_LABELS, revision=revision, duration=self._duration
        ) as changes:
            async for change in changes:
                if change.get("type") == "ERROR":
                    break
                if _matters(change, seen):
                    self._wake.set()
        return bool(seen)


def _matters(change: Manifest, seen: dict[str, object]) -> bool:
    """Tell whether a change may lead to an action; note it in `seen` by uid."""
    item = part(change, "object")
    uid = str(part(item, "metadata").get("uid"))
    before, seen[uid] = seen.get(uid), _signature(item)
    match change.get("type"):
        case "ADDED":
            return False  # what was just made, we made
        case "MODIFIED":
            return seen[uid] != before
        case _:
            return True


def _signature(item: Document) -> object:
    status = part(item, "status")
    conditions = items(item, "status", "conditions")
    true = {each.get("type") for each in conditions if each.get("status") == "True"}
    states = frozenset(part(main_container(item), "state"))
    return status.get("phase"), states, frozenset(true), is_terminating(item)
