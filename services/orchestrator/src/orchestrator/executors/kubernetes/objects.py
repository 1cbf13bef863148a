"""What one look at the cluster shows of each workload."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from kafkaml.schemas.workloads import WorkloadKind
from orchestrator.builders.labels import COMPONENT, PLATFORM, WORKLOAD
from orchestrator.executors.kubernetes.pods import by_age, has_ended, has_log, is_ready
from orchestrator.executors.kubernetes.resources import JOBS, Manifest
from orchestrator.pods.status import condition, created_at, newest_pod, part

# A start that goes well needs no explanation before it is over.
_SOON = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class WorkloadObjects:
    """The objects of one workload: what owns its pods, its pods by age, and its Secret.

    There is one owner, unless somebody meddled. Pods may outlive it until they have ended.
    """

    name: str
    owners: list[Manifest]
    pods: list[Manifest]
    has_secret: bool

    @property
    def owner(self) -> Manifest | None:
        return self.owners[0] if self.owners else None

    @property
    def living_pods(self) -> list[Manifest]:
        return [pod for pod in self.pods if not has_ended(pod)]

    @property
    def is_set(self) -> bool:
        """Tell whether it is an inference, whose pods are kept running."""
        return self._label(COMPONENT) == WorkloadKind.INFERENCE

    @property
    def platform(self) -> UUID | None:
        """The database that it is for; None if nothing says so."""
        try:
            return UUID(self._label(PLATFORM))
        except ValueError:
            return None

    @property
    def has_finished(self) -> bool:
        """Tell whether its Job is over."""
        job = self.owner
        if job is None or job["kind"] != JOBS.kind:
            return False
        return bool(condition(job, "Complete") or condition(job, "Failed"))

    @property
    def lacks_secret(self) -> bool:
        """Tell whether its start was cut short before its Secret, which is made last."""
        if self.has_secret or self.owner is None or self.has_finished:
            return False
        # A Job needs it once, a set for each pod to come.
        return self.is_set or not any(map(has_log, self.pods))

    def is_unclear(self, now: datetime) -> bool:
        """Tell whether events and nodes may explain why it does not run."""
        newest = newest_pod(self.living_pods) or self.owner
        if self.has_finished or newest is None or now - created_at(newest) < _SOON:
            return False
        return not self.living_pods or not all(map(is_ready, self.living_pods))

    def _label(self, name: str) -> str:
        newest = self.owner or newest_pod(self.pods) or {}
        return str(part(newest, "metadata", "labels").get(name, ""))


def group_objects(
    *, owners: Iterable[Manifest], pods: Iterable[Manifest], secrets: Iterable[Manifest]
) -> list[WorkloadObjects]:
    """Return the objects of each workload that has an owner or a pod, ordered by name."""
    owners_by_name = _by_workload(owners)
    pods_by_name = _by_workload(pods)
    with_secret = _by_workload(secrets).keys()
    return [
        WorkloadObjects(
            name=name,
            owners=owners_by_name.get(name, []),
            pods=by_age(pods_by_name.get(name, [])),
            has_secret=name in with_secret,
        )
        for name in sorted(owners_by_name.keys() | pods_by_name.keys())
    ]


def _by_workload(items: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    groups: defaultdict[str, list[Manifest]] = defaultdict(list)
    for item in items:
        if name := part(item, "metadata", "labels").get(WORKLOAD):
            groups[name].append(item)
    return groups
