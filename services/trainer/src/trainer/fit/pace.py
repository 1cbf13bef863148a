"""How fast a fit is, and how long it still takes."""

from dataclasses import dataclass
from datetime import timedelta

from kafkaml.schemas.trainings import TrainingProgress

REPORT_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What a fit has to do; `fits_to_follow` are as long as this one."""

    epochs: int
    steps: int
    batch_size: int
    records: int
    fold: int | None = None
    fits_to_follow: int = 0

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps * (1 + self.fits_to_follow)

    def steps_done(self, epoch: int, step: int) -> int:
        return (epoch - 1) * self.steps + step

    def records_done(self, epoch: int, step: int) -> int:
        """Return the records seen so far; the last batch of an epoch may be smaller."""
        return (epoch - 1) * self.records + min(step * self.batch_size, self.records)


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float
    steps: int
    records: int


class Pace:
    """Says how far a fit is, at most once in `REPORT_EVERY`.

    The first step builds the model's functions: speed is measured from its end on.
    """

    def __init__(self, extent: Extent) -> None:
        self._extent = extent
        self._first: _Moment | None = None
        self._last: _Moment | None = None

    def progress(self, epoch: int, step: int, *, at: float) -> TrainingProgress | None:
        """Return the progress at a moment in seconds; None if it was just told."""
        if self._last and at - self._last.at < REPORT_EVERY.total_seconds():
            return None
        extent = self._extent
        # Keras runs several steps as one, and counts the last of them as if it was full.
        step = min(step, extent.steps)
        now = _Moment(at, extent.steps_done(epoch, step), extent.records_done(epoch, step))
        first, last = self._first or now, self._last or now
        self._first, self._last = first, now
        return TrainingProgress(
            epoch=epoch,
            step=step,
            steps=extent.steps,
            records_per_second=_ratio(now.records - last.records, now.at - last.at),
            eta_seconds=self._eta(first, now),
            fold=extent.fold,
        )

    def _eta(self, first: _Moment, now: _Moment) -> float | None:
        """Return the seconds to the end, validation included."""
        seconds_per_step = _ratio(now.at - first.at, now.steps - first.steps)
        if seconds_per_step is None:
            return None
        return round(seconds_per_step * (self._extent.total_steps - now.steps), 1)


def _ratio(one: float, two: float) -> float | None:
    return round(one / two, 6) if two > 0 else None
