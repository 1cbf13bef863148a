"""What may explain why a pod does not run: events and nodes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from orchestrator.exceptions import ExecutorError
from orchestrator.executors.kubernetes.client import KubernetesClient
from orchestrator.executors.kubernetes.resources import EVENTS, NODES, Manifest, Resource
from orchestrator.pods.status import part

REMEMBERED = timedelta(seconds=10)
# Of all that goes well, only this says why something waits.
_TELLING = ("TriggeredScaleUp", "Nominated", "Pulling", "Pulled")
_SELECTORS = ("type=Warning", *(f"reason={each},type=Normal" for each in _TELLING))

logger = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The events of the namespace, by the uid of what they are about.

    `nodes` is None where they may not be read.
    """

    events: Mapping[str, Sequence[Manifest]] = field(default_factory=dict)
    nodes: Sequence[Manifest] | None = None

    def events_of(self, *items: Manifest) -> list[Manifest]:
        """Return the events about these objects; thousands of others cost nothing."""
        uids = [item["metadata"]["uid"] for item in items]
        return [event for uid in uids for event in self.events.get(uid, ())]


class SurroundingsReader:
    """Reads them at most each `REMEMBERED`; what cannot be read explains nothing."""

    def __init__(self, *, client: KubernetesClient) -> None:
        self._client = client
        self._surroundings = Surroundings()
        self._read_at: datetime | None = None

    async def read(self, now: datetime) -> Surroundings:
        if self._read_at is None or now >= self._read_at + REMEMBERED:
            found = [await self._find(EVENTS, fields=each) for each in _SELECTORS]
            events = [event for each in found for event in each or ()]
            self._surroundings = Surroundings(_by_uid(events), await self._find(NODES))
            self._read_at = now
        return self._surroundings

    async def _find(self, resource: Resource, fields: str = "") -> list[Manifest] | None:
        try:
            return await self._client.find(resource, fields=fields)
        except ExecutorError as e:
            logger.debug("nothing explains what waits", error=str(e))
            return None


def _by_uid(events: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    groups: defaultdict[str, list[Manifest]] = defaultdict(list)
    for event in events:
        groups[str(part(event, "involvedObject").get("uid"))].append(event)
    return dict(groups)
