"""What this orchestrator has already told the API.

It lives in memory only: losing it repeats calls that may be repeated.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.executors.base import Replica, Run


@dataclass(frozen=True, slots=True)
class Upload:
    """Which revision of a log the API has, and since when."""

    revision: int
    at: datetime


@dataclass(slots=True)
class Ledger:
    """The reports and logs that the API has accepted, by run."""

    reported: set[Run] = field(default_factory=set)
    uploads: dict[Run, Upload] = field(default_factory=dict)

    def keep_only(self, seen: Iterable[Replica]) -> None:
        """Drop what is about runs that are gone."""
        runs = {each.run for each in seen}
        self.reported &= runs
        self.uploads = {run: it for run, it in self.uploads.items() if run in runs}
