"""When a replica counts as recovered, so that its earlier ends no longer slow a restart."""

from datetime import timedelta

from orchestrator.executors.base import Replica

RECOVERED = timedelta(minutes=10)


def restarts_after(ended: Replica | None) -> int:
    """Return how many restarts in a row the next start is; 0 for the first start."""
    if ended is None or ended.started_at is None or ended.exited_at is None:
        return 0
    has_recovered = ended.exited_at - ended.started_at >= RECOVERED
    return 0 if has_recovered else ended.restarts + 1
