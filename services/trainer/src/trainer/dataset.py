"""The decoded records of a stream and their parts, as arrays in files.

The trainer writes them, the child maps them into memory.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.trainings import SplitCounts
from trainer.split import Indices, Split


@dataclass(frozen=True, slots=True)
class Dataset:
    """Records and labels, a row each, and which rows serve what.

    `features` has shape `(records, *shape of a record)`, `labels` `(records, *shape of a
    label)`. `folds` holds the fold, from 0, of each training record; it is empty if there
    are none.
    """

    features: NDArray[Any]
    labels: NDArray[Any]
    parts: Split
    folds: Indices = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def fewest_training_records(self) -> int:
        """How many records the shortest fit has: that on all folds but the largest."""
        largest = int(np.bincount(self.folds).max()) if len(self.folds) else 0
        return len(self.parts.training) - largest

    @property
    def counts(self) -> SplitCounts:
        return SplitCounts(
            training=len(self.parts.training),
            validation=len(self.parts.validation),
            test=len(self.parts.test),
        )

    def save(self, directory: Path) -> None:
        """Write one file per array into a folder that exists."""
        for name, array in self._arrays().items():
            np.save(directory / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map the files that `save` wrote; nothing is read before it is used."""

        def mapped(name: str) -> NDArray[Any]:
            path = directory / f"{name}.npy"
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

        parts = Split(mapped("training"), mapped("validation"), mapped("test"))
        return cls(mapped("features"), mapped("labels"), parts, mapped("folds"))

    def _arrays(self) -> dict[str, NDArray[Any] | Indices]:
        return {
            "features": self.features,
            "labels": self.labels,
            "training": self.parts.training,
            "validation": self.parts.validation,
            "test": self.parts.test,
            "folds": self.folds,
        }
