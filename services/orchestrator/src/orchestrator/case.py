"""One workload, as one pass finds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kafkaml.schemas.workloads import Workload
from orchestrator.executors.base import Replica
from orchestrator.ledger import Ledger, Slot, Trouble

LOG_INTERVAL = timedelta(seconds=10)
# Logs are for people, who read one at a time: the more there are, the rarer each one is.
LOG_INTERVAL_OF_EACH = timedelta(seconds=0.05)

_LEFTOVER = "It waits for the end of what another installation of Kafka-ML left behind."


@dataclass(frozen=True, slots=True)
class Case:
    """What is wanted and what is seen under one name; `seen` is ordered by replica.

    `workload` is None if it is not wanted. `rival` is another attempt of the same check,
    training or inference that still lives. `log_interval` is how often each log is copied.
    """

    name: str
    workload: Workload | None
    seen: Sequence[Replica]
    rival: str | None
    ledger: Ledger
    now: datetime
    log_interval: timedelta = LOG_INTERVAL

    @property
    def is_set(self) -> bool:
        """Tell whether the executor keeps the number of replicas by itself."""
        return any(each.size is not None for each in self.seen)

    @property
    def obstacle(self) -> str:
        """Return why nothing may be started under this name now; empty if it may."""
        if any(map(self.is_foreign, self.seen)):
            return _LEFTOVER
        return f"It waits for {self.rival} to end." if self.rival else ""

    def is_foreign(self, replica: Replica) -> bool:
        """Tell whether a replica has a wanted name, but is of another database."""
        if self.workload is None or replica.platform is None:
            return False
        return replica.platform != self.workload.platform

    def trouble(self, number: int) -> Trouble | None:
        """Return why a replica did not start when that was tried last."""
        return self.ledger.troubles.get(Slot(self.name, number))

    def has_log_grown(self, replica: Replica) -> bool:
        upload = self.ledger.uploads.get(replica.run)
        return replica.log_revision != (upload.revision if upload else 0)

    def is_log_due(self, replica: Replica) -> bool:
        return self.has_log_grown(replica) and not self._is_log_recent(replica)

    def _is_log_recent(self, replica: Replica) -> bool:
        if upload := self.ledger.uploads.get(replica.run):
            return self.now < upload.at + self.log_interval
        # At once, but where so many begin that their logs would hold up what is to start.
        delay = self.log_interval - LOG_INTERVAL
        return replica.started_at is not None and self.now < replica.started_at + delay
