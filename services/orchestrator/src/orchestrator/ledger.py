"""What this orchestrator remembers: what the API knows, and which starts went wrong.

It lives in memory only: losing it repeats calls that may be repeated.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from kafkaml.schemas.states import FailureReason
from kafkaml.schemas.workloads import WantedTopic
from orchestrator.executors.base import Replica, Run


class Slot(NamedTuple):
    """The place of one replica, whether it is there or not."""

    name: str
    replica: int


@dataclass(frozen=True, slots=True)
class Upload:
    """Which revision of a log the API has, since when, and a hash of it if it was read."""

    revision: int
    at: datetime
    digest: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How a workload as a whole is doing.

    `notice` says what keeps it from running; empty if nothing does. `ready_replicas` is
    known of sets only (see `Replica.size`).
    """

    notice: str = ""
    ready_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class ToldStatus:
    """What the API was last told of a workload, and when."""

    status: Status
    at: datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a replica did not start when that was tried last; final if it never will."""

    message: str
    reason: FailureReason = FailureReason.PLATFORM
    is_final: bool = False


@dataclass(slots=True)
class Ledger:
    """The reports and logs that the API has accepted, and the starts that failed last.

    `topics` are those that a workload had when they were last made.
    """

    reported: set[Run] = field(default_factory=set)
    uploads: dict[Run, Upload] = field(default_factory=dict)
    statuses: dict[str, ToldStatus] = field(default_factory=dict)
    troubles: dict[Slot, Trouble] = field(default_factory=dict)
    topics: dict[str, Sequence[WantedTopic]] = field(default_factory=dict)

    def status(self, name: str) -> Status:
        """Return what the API was last told of a workload."""
        told = self.statuses.get(name)
        return told.status if told else Status()

    def keep_only(self, seen: Iterable[Replica], wanted: Collection[str]) -> None:
        """Drop what is about runs that are gone, and about workloads nobody wants."""
        runs = {each.run for each in seen}
        self.reported &= runs
        self.uploads = {run: it for run, it in self.uploads.items() if run in runs}
        self.statuses = {name: it for name, it in self.statuses.items() if name in wanted}
        self.topics = {name: it for name, it in self.topics.items() if name in wanted}
        self.troubles = {
            slot: it for slot, it in self.troubles.items() if slot.name in wanted
        }
