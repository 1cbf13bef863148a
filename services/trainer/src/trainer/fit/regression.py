"""How far a model's numbers are from the truth. Runs inside the child only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.results import Errors, OutputErrors, RegressionReport, Residuals
from trainer.fit.tasks import Regression

MAX_OUTPUTS_IN_DETAIL = 32
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)

Numbers = NDArray[np.float64]


class ErrorSums:
    """Adds up residuals, output by output; keeps them where there are few outputs."""

    def __init__(self, task: Regression) -> None:
        self._count = 0
        self._absolute = np.zeros(task.outputs)
        self._squared = np.zeros(task.outputs)
        self._origin: Numbers | None = None  # near the truth's mean, so that sums are exact
        self._truth = np.zeros(task.outputs)
        self._truth_squared = np.zeros(task.outputs)
        self._residuals: list[NDArray[np.float32]] = []
        self._is_detailed = task.outputs <= MAX_OUTPUTS_IN_DETAIL

    def add(self, labels: NDArray[Any], outputs: NDArray[Any]) -> None:
        """Add some records; both are flattened to one row for each."""
        with np.errstate(over="ignore", invalid="ignore"):  # such sums end as null
            self._add(
                labels.reshape(len(labels), -1).astype(np.float64),
                outputs.reshape(len(outputs), -1).astype(np.float64),
            )

    def _add(self, truth: Numbers, predicted: Numbers) -> None:
        residuals = truth - predicted
        if self._origin is None:
            self._origin = truth.mean(axis=0)
        shifted = truth - self._origin
        self._count += len(truth)
        self._absolute += np.abs(residuals).sum(axis=0)
        self._squared += np.square(residuals).sum(axis=0)
        self._truth += shifted.sum(axis=0)
        self._truth_squared += np.square(shifted).sum(axis=0)
        if self._is_detailed:
            self._residuals.append(residuals.astype(np.float32))

    def report(self, part: str) -> RegressionReport:
        count = max(1, self._count)
        variation = self._truth_squared - np.square(self._truth) / count
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = 1 - self._squared / np.where(variation > 0, variation, np.nan)
        mae, mse = self._absolute / count, self._squared / count
        return RegressionReport(
            part=part,
            **_errors(mae.mean(), mse.mean(), r2.mean()).model_dump(),
            outputs=[
                OutputErrors(
                    output=output,
                    residuals=_percentiles(residuals),
                    **_errors(mae[output], mse[output], r2[output]).model_dump(),
                )
                for output, residuals in enumerate(self._columns())
            ],
        )

    def _columns(self) -> NDArray[np.float32]:
        if not self._residuals:
            return np.empty((0, 0), np.float32)
        return np.concatenate(self._residuals).T


def _errors(mae: Any, mse: Any, r2: Any) -> Errors:
    return Errors(mae=_finite(mae), rmse=_finite(np.sqrt(mse)), r2=_finite(r2))


def _percentiles(residuals: NDArray[np.float32]) -> Residuals:
    values = np.percentile(residuals, PERCENTILES)
    named = zip(PERCENTILES, values, strict=True)
    return Residuals(**{f"p{percent}": _finite(value) for percent, value in named})


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
