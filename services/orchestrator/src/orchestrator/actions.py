"""What one pass can do to one replica."""

from dataclasses import dataclass

from kafkaml.schemas.workloads import Workload
from orchestrator.executors.base import Replica


@dataclass(frozen=True, slots=True)
class Action:
    """Base of all actions; `kind` names it in logs and metrics."""

    name: str
    replica: int

    @property
    def kind(self) -> str:
        return type(self).__name__


@dataclass(frozen=True, slots=True)
class StartReplica(Action):
    """Start a replica that is missing, or again one that has ended."""

    workload: Workload
    starts: int


@dataclass(frozen=True, slots=True)
class StopReplica(Action):
    """Ask a replica to end that is no longer wanted."""


@dataclass(frozen=True, slots=True)
class UploadLog(Action):
    """Give the API the newest part of a log that has grown."""

    seen: Replica


@dataclass(frozen=True, slots=True)
class ReportExit(Action):
    """Tell the API that a replica has ended, and how."""

    seen: Replica


@dataclass(frozen=True, slots=True)
class Forget(Action):
    """Remove what an ended replica left behind; the API knows about it."""
