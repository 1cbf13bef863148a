"""What may explain why a pod does not run: events and nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.resources import EVENTS, NODES, Manifest, Resource

REMEMBERED = timedelta(seconds=10)

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The warnings of the namespace; `nodes` is None where they may not be read."""

    events: Sequence[Manifest] = field(default_factory=tuple)
    nodes: Sequence[Manifest] | None = None


class SurroundingsReader:
    """Reads them at most each `REMEMBERED`; what cannot be read explains nothing."""

    def __init__(self, *, client: KubernetesClient) -> None:
        self._client = client
        self._surroundings = Surroundings()
        self._read_at: datetime | None = None

    async def read(self, now: datetime) -> Surroundings:
        if self._read_at is None or now >= self._read_at + REMEMBERED:
            events = await self._find(EVENTS, fields="type=Warning")
            nodes = await self._find(NODES)
            self._surroundings = Surroundings(events or (), nodes)
            self._read_at = now
        return self._surroundings

    async def _find(self, resource: Resource, fields: str = "") -> list[Manifest] | None:
        try:
            return await self._client.find(resource, fields=fields)
        except ExecutorError as e:
            logger.debug("nothing explains what waits", error=str(e))
            return None
