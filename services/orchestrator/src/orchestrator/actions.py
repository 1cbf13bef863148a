"""What one pass can do to one replica."""

from dataclasses import dataclass

from kafkaml.schemas.workloads import Workload
from orchestrator.executors.base import Replica
from orchestrator.ledger import Slot, Status


@dataclass(frozen=True, slots=True)
class Action:
    """Base of all actions; `kind` names it in logs and metrics.

    The actions of one slot build on each other: after one that failed, skip the rest.
    """

    name: str
    replica: int

    @property
    def kind(self) -> str:
        return type(self).__name__

    @property
    def slot(self) -> Slot:
        return Slot(self.name, self.replica)


@dataclass(frozen=True, slots=True)
class StartReplica(Action):
    """Start a replica that is missing, or again one that has ended.

    Of a set (see `Replica.size`) replica 0 stands for all: make it, or correct its size.
    """

    workload: Workload
    starts: int


@dataclass(frozen=True, slots=True)
class StopReplica(Action):
    """Ask a replica to end that is not wanted; replica 0 of a set stands for all."""


@dataclass(frozen=True, slots=True)
class EnsureTopics(Action):
    """Make what a running workload needs by now, and did not when it was started."""

    workload: Workload


@dataclass(frozen=True, slots=True)
class UploadLog(Action):
    """Give the API the newest part of a log that has grown."""

    seen: Replica


@dataclass(frozen=True, slots=True)
class ReportExit(Action):
    """Tell the API that a replica has ended, and how."""

    seen: Replica


@dataclass(frozen=True, slots=True)
class ReportBlocked(Action):
    """Tell the API that a replica waits for something that won't come."""

    reason: str | None
    message: str


@dataclass(frozen=True, slots=True)
class ReportStatus(Action):
    """Tell the API how a workload as a whole is doing, where that has changed."""

    status: Status


@dataclass(frozen=True, slots=True)
class Forget(Action):
    """Remove what an ended replica left behind; nobody needs it any more."""
