"""How far records are from those of a training, in two figures per feature.

All is computed from counts in bins: the reference's are the histogram of the training's
profile. Its first and last bin are open, so that values beyond what the training saw count
there. Values that are not finite are left out by KS, and are one more bin for PSI.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kafkaml.histograms import bin_numbers
from kafkaml.profiles import HISTOGRAM_BINS, ValueProfile

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

PSEUDO_COUNT = 0.5
FALSE_ALARM_RATE = 1e-6
"""How often a window that is like the training may exceed what chance explains."""


def psi(reference: Counts, window: Counts) -> Values:
    """Return the population stability index of each row, `sum((p - q) ln(p / q))`.

    Rows are features, columns bins, or there is only one row. Half a record is added to
    each bin that has one on either side, so that empty ones leave the sum finite. Where
    nothing was counted it is 0.
    The index is Jeffreys' divergence (Proc. R. Soc. A 186, 1946); Siddiqi, Credit Risk
    Scorecards (2006), calls 0.1 to 0.25 a small shift, and more a large one.
    """
    added = np.where(reference + window > 0, PSEUDO_COUNT, 0.0)
    p, q = _shares(window + added), _shares(reference + added)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = (p - q) * np.log(p / q)
    found = np.sum(terms, axis=-1, where=added > 0)
    return np.where(_any_counted(reference, window), np.maximum(found, 0.0), 0.0)


def ks(reference: Counts, window: Counts) -> Values:
    """Return the largest distance of the two distribution functions, for each row.

    It is Kolmogorov's and Smirnov's statistic, taken at the ends of the bins, and so never
    more than that of the values themselves. Where nothing was counted it is 0.
    """
    with np.errstate(invalid="ignore"):
        distance = np.cumsum(_shares(window), axis=-1)
        distance -= np.cumsum(_shares(reference), axis=-1)
    return np.where(_any_counted(reference, window), np.abs(distance).max(axis=-1), 0.0)


def psi_by_chance(*, bins: int, reference: int, window: int, comparisons: int) -> float:
    """Return what PSI is exceeded by chance in one of a million windows, by any feature.

    Without drift PSI is about `1/n + 1/m` times a chi-squared number of `bins - 1` degrees
    of freedom, for `n` and `m` records (Yurdakul, Statistical Properties of Population
    Stability Index, 2018). Its quantile is that of Wilson and Hilferty (PNAS 17, 1931).
    """
    degrees = max(bins - 1, 1)
    normal = -NormalDist().inv_cdf(FALSE_ALARM_RATE / max(comparisons, 1))
    part = 2 / (9 * degrees)
    quantile = degrees * (1 - part + normal * math.sqrt(part)) ** 3
    return quantile * (1 / max(reference, 1) + 1 / max(window, 1))


def ks_by_chance(*, reference: int, window: int, comparisons: int) -> float:
    """Return what KS is exceeded by chance in one of a million windows, by any feature.

    It is the first term of Smirnov's limit, `2 exp(-2 d² nm / (n + m))`, solved for d.
    """
    rate = FALSE_ALARM_RATE / max(comparisons, 1)
    inverse = 1 / max(reference, 1) + 1 / max(window, 1)
    return min(math.sqrt(math.log(2 / rate) / 2 * inverse), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBins:
    """The bins of the features of a profile, to count the same of other records."""

    reference: Counts
    """Shape `(features, 16 + 1)`; the last column counts what is not finite."""
    minimum: Values
    maximum: Values

    @classmethod
    def of(cls, profiles: Sequence[ValueProfile]) -> Self:
        """Return the bins that `profiles` were counted in."""
        counts = [[*each.histogram, each.missing] for each in profiles]
        return cls(
            np.array(counts, np.int64).reshape(len(profiles), HISTOGRAM_BINS + 1),
            _numbers([each.minimum for each in profiles]),
            _numbers([each.maximum for each in profiles]),
        )

    def count(self, rows: NDArray[Any]) -> Counts:
        """Return the counts of `rows`, shape `(records, features)`, like the reference.

        What was always the same in the training and is now another value counts in the
        last bin.
        """
        bins = bin_numbers(rows, self.minimum, self.maximum)
        is_constant = self.minimum == self.maximum
        if is_constant.any():
            other = ~np.isclose(rows, self.minimum) & is_constant
            bins[other] = HISTOGRAM_BINS - 1
        bins[~np.isfinite(rows)] = HISTOGRAM_BINS
        bins += np.arange(len(self.reference)) * (HISTOGRAM_BINS + 1)
        flat = np.bincount(bins.reshape(-1), minlength=self.reference.size)
        return flat.reshape(self.reference.shape)

    def psi(self, window: Counts) -> Values:
        """Return the PSI of each feature."""
        return psi(self.reference, window)

    def ks(self, window: Counts) -> Values:
        """Return the KS statistic of each feature, of its finite values."""
        return ks(self.reference[:, :-1], window[:, :-1])


def _shares(counts: NDArray[Any]) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts / counts.sum(axis=-1, keepdims=True), np.float64)


def _any_counted(reference: Counts, window: Counts) -> NDArray[np.bool_]:
    return np.asarray((reference.sum(axis=-1) > 0) & (window.sum(axis=-1) > 0))


def _numbers(values: list[float | None]) -> Values:
    return np.array([0.0 if each is None else each for each in values], np.float64)
