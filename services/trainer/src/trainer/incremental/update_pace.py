"""How fast updates go, told now and then. Child only."""

from time import monotonic

from trainer.fit.pace import REPORT_EVERY


class UpdatePace:
    """Says when to tell how far it is, and how fast."""

    def __init__(self) -> None:
        self._told_at = -float("inf")
        self._told_records: int | None = None

    @property
    def is_due(self) -> bool:
        return monotonic() - self._told_at >= REPORT_EVERY.total_seconds()

    def speed(self, records: int) -> float | None:
        """Return the records per second since it was told before."""
        now, before = monotonic(), self._told_records
        seconds, self._told_at, self._told_records = now - self._told_at, now, records
        return None if before is None else round((records - before) / seconds, 6)
