"""Percentiles of counts in bins whose ends are a quarter octave apart."""

from collections.abc import Sequence
from itertools import accumulate

_MIDDLE = 2 ** (-1 / 8)  # of a bin, from its upper end


def percentiles_of(
    counts: Sequence[Sequence[int]], *, bounds: Sequence[float]
) -> dict[str, float] | None:
    """Return p50, p95 and p99 of the sum of counts by bin; None if nothing was counted.

    `bounds` are the upper ends of the bins; one more bin follows.
    """
    sums = list(accumulate(map(sum, zip(*counts, strict=True))))
    if not sums or not sums[-1]:
        return None
    return {f"p{each}": _percentile(sums, each / 100, bounds) for each in (50, 95, 99)}


def _percentile(sums: Sequence[int], share: float, bounds: Sequence[float]) -> float:
    wanted = share * sums[-1]
    place = next(place for place, reached in enumerate(sums) if reached >= wanted)
    if place == len(bounds):
        return bounds[-1]
    return bounds[place] * (_MIDDLE if place else 1)
