"""What exports of a model are tried on, and how near they must come to Keras."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.dataset import Dataset
from trainer.exceptions import ExportError

SAMPLE_RECORDS = 256
SAMPLE_BYTES = 64 * 2**20
# Of the largest output, or of 1 if all are smaller.
TOLERANCE = 1e-4

Array = NDArray[Any]


def sample_of(data_directory: Path, *, dtype: str) -> Array:
    """Return training records, evenly spread, in the type that the model takes."""
    dataset = Dataset.load(data_directory)
    training = np.asarray(dataset.parts.training)
    width = 1 if dtype == "string" else np.dtype(dtype).itemsize
    record_bytes = max(1, width * int(np.prod(dataset.features.shape[1:])))
    count = min(len(training), SAMPLE_RECORDS, max(1, SAMPLE_BYTES // record_bytes))
    rows = training[np.linspace(0, len(training) - 1, count).astype(np.int64)]
    records = np.asarray(dataset.features[rows])
    return records if dtype == "string" else records.astype(dtype, copy=False)


@dataclass(frozen=True, slots=True)
class Answers:
    """What Keras answers to the sample, a row for each record."""

    rows: Array

    @property
    def largest(self) -> float:
        """The largest finite number among them, without its sign; 0 if there is none."""
        finite = np.isfinite(self.rows)
        return float(np.abs(self.rows[finite]).max()) if finite.any() else 0.0

    def difference(self, found: Array) -> float:
        """Return by how much other answers differ at most.

        Raise ExportError if they have another shape, differ by more than the tolerance, or
        are numbers where these are none.
        """
        wanted = self.rows
        if found.shape != wanted.shape:
            raise ExportError(
                f"it answers in the shape {found.shape}, Keras in {wanted.shape}"
            )
        finite = np.isfinite(wanted)
        if not np.array_equal(found[~finite], wanted[~finite], equal_nan=True):
            raise ExportError("it answers with numbers where Keras' answers are none")
        apart = np.abs(found[finite].astype(np.float64) - wanted[finite])
        difference = float(apart.max()) if apart.size else 0.0
        allowed = TOLERANCE * max(1.0, self.largest)
        if not difference <= allowed:
            raise ExportError(
                f"its answers differ from Keras' by {difference:.3g}, more than the "
                f"{allowed:.3g} that are allowed"
            )
        return difference
