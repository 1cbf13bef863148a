"""From the objects of a workload to its replicas."""

from datetime import datetime

from kafkaml.schemas.workloads import Phase
from orchestrator.executors.base import Replica
from orchestrator.executors.kubernetes.cluster_reader import Look
from orchestrator.executors.kubernetes.objects import WorkloadObjects
from orchestrator.executors.kubernetes.pod_numbers import PodNumbers, lowest_free
from orchestrator.executors.kubernetes.pods import (
    ended_at,
    has_log,
    is_ready,
    is_terminating,
    restarts_of,
    started_at,
)
from orchestrator.executors.kubernetes.replica_logs import ReplicaLogs, Slot
from orchestrator.executors.kubernetes.resources import Manifest
from orchestrator.executors.kubernetes.set_size import SetSize
from orchestrator.executors.kubernetes.unfinished_starts import UnfinishedStarts
from orchestrator.pod_diagnosis import (
    Diagnosis,
    diagnose_job,
    diagnose_pod,
    diagnose_set,
)
from orchestrator.pods.status import condition, time_of

_WITHOUT_OWNER = "Its Job is gone; it is being ended."
_NOT_ALL_ENDED = "It has ended, and another pod of it has not yet."
_CUT_SHORT = "Its start was cut short, and nobody took it up."


class ReplicaReader:
    """Reads replicas, and remembers what Kubernetes doesn't: numbers, and logs seen."""

    def __init__(
        self, *, logs: ReplicaLogs, unfinished: UnfinishedStarts, size: SetSize
    ) -> None:
        self._logs = logs
        self._unfinished = unfinished
        self._size = size
        self._numbers = PodNumbers()

    def read_all(self, look: Look) -> list[Replica]:
        """Return the replicas of all workloads, and forget the others."""
        found = look.found
        replicas = [each for objects in found for each in self._read(objects, look)]
        self._logs.keep_only({Slot(each.name, each.replica) for each in replicas})
        self._numbers.keep_only({objects.name for objects in found})
        owners = [owner for objects in found for owner in objects.owners]
        self._unfinished.keep_only({owner["metadata"]["uid"] for owner in owners})
        return replicas

    def _read(self, objects: WorkloadObjects, look: Look) -> list[Replica]:
        if objects.is_set:
            return self._read_set(objects, look)
        owner = objects.owner
        if owner is not None and objects.lacks_secret:
            return self._read_unfinished(objects, owner, look)
        return [self._read_job(objects, look)]

    def _read_unfinished(
        self, objects: WorkloadObjects, owner: Manifest, look: Look
    ) -> list[Replica]:
        if self._unfinished.is_hidden(owner["metadata"]["uid"], look.now):
            return []
        diagnosis = Diagnosis(Phase.EXITED, message=_CUT_SHORT)
        return [self._replica(objects, 0, None, diagnosis, look)]

    def _read_job(self, objects: WorkloadObjects, look: Look) -> Replica:
        with_log = next((pod for pod in reversed(objects.pods) if has_log(pod)), None)
        diagnosis = _diagnose_job(objects, look)
        return self._replica(objects, 0, with_log, diagnosis, look)

    def _read_set(self, objects: WorkloadObjects, look: Look) -> list[Replica]:
        pods = objects.living_pods
        size = self._size_of(objects)
        numbers = self._numbers.assign(objects.name, pods)
        replicas = [
            self._replica(objects, number, pod, _diagnose_replica(pod, look), look, size)
            for number, pod in zip(numbers, pods, strict=True)
        ]
        if len(pods) < max(size, 1):
            missing = _diagnose_missing(objects)
            number = lowest_free(numbers)
            replicas.append(self._replica(objects, number, None, missing, look, size))
        return replicas

    def _size_of(self, objects: WorkloadObjects) -> int:
        """Return the size of a set; 0 if its start has to be made once more."""
        if objects.owner is None or objects.lacks_secret:
            return 0
        return self._size.read(objects.owner)

    def _replica(
        self,
        objects: WorkloadObjects,
        number: int,
        pod: Manifest | None,
        diagnosis: Diagnosis,
        look: Look,
        size: int | None = None,
    ) -> Replica:
        restarts = restarts_of(pod) if pod else 0
        has_exited = diagnosis.phase is Phase.EXITED
        return Replica(
            name=objects.name,
            replica=number,
            phase=diagnosis.phase,
            starts=restarts + 1,
            restarts=restarts,
            exit_code=diagnosis.exit_code if has_exited else None,
            reason=diagnosis.reason,
            message=diagnosis.message,
            started_at=started_at(pod) if pod else None,
            exited_at=_exited_at(objects, pod) if has_exited else None,
            log_revision=self._logs.revise(Slot(objects.name, number), pod, look.now),
            platform=objects.platform,
            size=size,
            is_ready=pod is not None and is_ready(pod),
        )


def _diagnose_job(objects: WorkloadObjects, look: Look) -> Diagnosis:
    around = look.surroundings
    if objects.owner is None:
        return _diagnose_left(objects, look)
    diagnosis = diagnose_job(
        objects.owner,
        pods=objects.pods,
        events=around.events_of(objects.owner, *objects.pods),
        nodes=around.nodes,
        now=look.now,
    )
    if diagnosis.phase is Phase.EXITED and objects.living_pods:
        return Diagnosis(Phase.RUNNING, message=_NOT_ALL_ENDED)
    return diagnosis


def _diagnose_left(objects: WorkloadObjects, look: Look) -> Diagnosis:
    """Tell how pods without a Job are: the last one to end says how it ended."""
    if objects.living_pods:
        return Diagnosis(Phase.RUNNING, message=_WITHOUT_OWNER)
    return _diagnose_pod(objects.pods[-1], look)


def _diagnose_replica(pod: Manifest, look: Look) -> Diagnosis:
    if is_terminating(pod):
        return Diagnosis(Phase.RUNNING)
    return _diagnose_pod(pod, look)


def _diagnose_pod(pod: Manifest, look: Look) -> Diagnosis:
    around = look.surroundings
    return diagnose_pod(pod, events=around.events_of(pod), nodes=around.nodes, now=look.now)


def _diagnose_missing(objects: WorkloadObjects) -> Diagnosis:
    """Tell why a set has fewer pods than it ought to have."""
    if objects.owner is None:
        return Diagnosis(Phase.EXITED)
    return diagnose_set(objects.owner)


def _exited_at(objects: WorkloadObjects, pod: Manifest | None) -> datetime | None:
    if pod is not None and (end := ended_at(pod)):
        return end
    job = objects.owner or {}
    finished = condition(job, "Failed") or condition(job, "Complete") or {}
    return time_of(finished.get("lastTransitionTime"))
