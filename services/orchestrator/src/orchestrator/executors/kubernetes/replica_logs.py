"""Which log is whose, and when it is worth reading again.

The API server does not tell whether a log has grown, and reading one to find out costs as
much as using it. So a running container has a new revision each interval, which grows while
nothing new is read; one that has ended has a last one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from orchestrator.executors.kubernetes.pods import ended_at, has_log, runs_now
from orchestrator.executors.kubernetes.resources import Manifest

FIRST_INTERVAL = timedelta(seconds=10)
LONGEST_INTERVAL = timedelta(minutes=2)


class Slot(NamedTuple):
    """The name of a workload, and the number of its replica."""

    name: str
    replica: int


@dataclass(slots=True)
class _Log:
    """What is known of the log of one replica; `pod` is None if there is none to read."""

    pod: Manifest | None = None
    revision: int = 0
    read_revision: int = 0
    since: datetime | None = None
    interval: timedelta = FIRST_INTERVAL
    digest: int | None = None


class ReplicaLogs:
    """Gives each log a revision that changes when it may have grown; in memory only."""

    def __init__(self) -> None:
        self._logs: dict[Slot, _Log] = {}

    def __contains__(self, slot: Slot) -> bool:
        return slot in self._logs

    def revise(self, slot: Slot, pod: Manifest | None, now: datetime) -> int:
        """Return the revision of the log of a replica, whose newest run is in `pod`."""
        log = self._logs.setdefault(slot, _Log())
        is_same = pod and log.pod and pod["metadata"]["uid"] == log.pod["metadata"]["uid"]
        if not is_same:
            log.since = None
        log.pod = pod if pod is not None and has_log(pod) else None
        log.revision = _revision(log, now)
        return log.revision

    def pod(self, slot: Slot) -> Manifest | None:
        """Return the pod whose log is the replica's; None if there is none to read."""
        return self._logs[slot].pod

    def note_read(self, slot: Slot, content: bytes) -> None:
        """Take note of what is in the log now."""
        log = self._logs[slot]
        digest = hash(content)
        is_same = digest == log.digest
        log.interval = (
            min(log.interval * 2, LONGEST_INTERVAL) if is_same else FIRST_INTERVAL
        )
        log.digest = digest
        log.read_revision = log.revision

    def keep_only(self, slots: set[Slot]) -> None:
        """Drop what is about replicas that are gone."""
        self._logs = {slot: log for slot, log in self._logs.items() if slot in slots}


def _revision(log: _Log, now: datetime) -> int:
    if log.pod is None:
        # There is nothing to read: what was read before stays the newest.
        return log.read_revision
    if not runs_now(log.pod):
        end = ended_at(log.pod)
        return -int(end.timestamp()) if end else -1
    if log.since is None or now >= log.since + log.interval:
        log.since = now
    return int(log.since.timestamp() * 1000)
