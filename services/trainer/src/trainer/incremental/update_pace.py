"""How fast updates go, told now and then. Child only."""

from time import monotonic

from kafkaml.schemas.trainings import TrainingProgress
from trainer.checkpoints.checkpoint import Position
from trainer.fit.pace import REPORT_EVERY


class UpdatePace:
    """Says when to tell how far it is, and how fast."""

    def __init__(self, *, epoch_updates: int) -> None:
        self._epoch_updates = epoch_updates
        self._told_at = -float("inf")
        self._told_records: int | None = None

    @property
    def is_due(self) -> bool:
        return monotonic() - self._told_at >= REPORT_EVERY.total_seconds()

    def progress(self, position: Position, *, records: int) -> TrainingProgress:
        """Return how far it is, after so many records; the speed is that since the last."""
        return TrainingProgress(
            epoch=position.epochs + 1,
            step=position.steps,
            steps=self._epoch_updates,
            records_per_second=self._speed(records),
            records=records,
        )

    def _speed(self, records: int) -> float | None:
        now, before = monotonic(), self._told_records
        seconds, self._told_at, self._told_records = now - self._told_at, now, records
        return None if before is None else round((records - before) / seconds, 6)
