"""How the values of columns are distributed, all columns at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.histograms import bin_numbers
from kafkaml.profiles import HISTOGRAM_BINS, ValueProfile
from kafkaml.schemas.results import Percentiles

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)

Columns = NDArray[np.float64]
Row = NDArray[np.float64]


def profile_columns(values: NDArray[Any]) -> list[ValueProfile]:
    """Profile each column of an array of shape `(rows, columns)`, of one row at least."""
    ordered = values.astype(np.float64)
    ordered[~np.isfinite(ordered)] = np.nan
    ordered.sort(axis=0)  # NaN comes last, so that finite values are the first `counts`
    counts = np.isfinite(ordered).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = np.nansum(ordered, axis=0) / counts
        deviation = np.sqrt(np.nansum(np.square(ordered - mean), axis=0) / counts)
    table = _Table(ordered, counts)
    percentiles = [table.percentile(percent) for percent in PERCENTILES]
    minimum, maximum = ordered[0], table.percentile(100)
    histograms = _histograms(ordered, minimum, maximum)
    return [
        ValueProfile(
            count=int(counts[column]),
            missing=len(ordered) - int(counts[column]),
            mean=_number(mean[column]),
            deviation=_number(deviation[column]),
            minimum=_exact(minimum[column]),
            maximum=_exact(maximum[column]),
            percentiles=Percentiles(
                **{
                    f"p{percent}": _number(values[column])
                    for percent, values in zip(PERCENTILES, percentiles, strict=True)
                }
            ),
            histogram=histograms[column].tolist(),
        )
        for column in range(ordered.shape[1])
    ]


@dataclass(frozen=True, slots=True)
class _Table:
    """Sorted columns, each with `counts` finite values."""

    ordered: Columns
    counts: NDArray[np.int64]

    def percentile(self, percent: int) -> Row:
        """Return a percentile of each column, between two values where it lies there."""
        place = np.maximum(self.counts - 1, 0) * (percent / 100)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(self.counts - 1, 0))
        columns = np.arange(self.ordered.shape[1])
        low, high = self.ordered[below, columns], self.ordered[above, columns]
        return np.asarray(low + (high - low) * (place - below))


def _histograms(ordered: Columns, minimum: Row, maximum: Row) -> NDArray[np.int64]:
    """Return the counts of each column in bins of equal width, shape `(columns, bins)`."""
    columns = ordered.shape[1]
    rows, found = np.nonzero(np.isfinite(ordered))
    chosen = bin_numbers(ordered[rows, found], minimum[found], maximum[found])
    flat = np.bincount(found * HISTOGRAM_BINS + chosen, minlength=columns * HISTOGRAM_BINS)
    return flat.reshape(columns, HISTOGRAM_BINS)


def _number(value: Any) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _exact(value: Any) -> float | None:
    """Return a number with all digits, for they say where the bins are."""
    return float(value) if np.isfinite(value) else None
