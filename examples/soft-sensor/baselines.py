"""What needs no model: the errors of saying always the mean, or the value before."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Errors:
    """How far predictions are from the truth, in its unit; R² has none."""

    mae: float
    rmse: float
    r2: float

    @classmethod
    def between(cls, truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> Self:
        """Measure predictions; both have shape (n,)."""
        residuals = truth - predicted
        squares = float(np.mean(residuals**2))
        return cls(
            mae=float(np.mean(np.abs(residuals))),
            rmse=squares**0.5,
            r2=1 - squares / float(np.var(truth)),
        )


def mean_errors(values: NDArray[np.float64], *, trained: int, tested: int) -> Errors:
    """Predict the last `tested` values as the mean of the first `trained`."""
    truth = values[-tested:]
    return Errors.between(truth, np.full(tested, values[:trained].mean()))


def persistence_errors(values: NDArray[np.float64], *, tested: int) -> Errors:
    """Predict each of the last `tested` values as the one before, as an analyser could."""
    return Errors.between(values[-tested:], values[-tested - 1 : -1])
