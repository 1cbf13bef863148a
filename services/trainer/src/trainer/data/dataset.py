"""The decoded records of a stream and their parts, as arrays in files.

The trainer writes them, the child maps them into memory.
"""

from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.trainings import SplitCounts
from trainer.data.array_file import disk_errors
from trainer.data.split import Indices, Split

FEATURES_FILE = "features.npy"
LABELS_FILE = "labels.npy"
FOLDS_FILE = "folds.npy"
PARTS = ("training", "validation", "test")


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
    def size_bytes(self) -> int:
        """What features and labels take in memory."""
        return self.features.nbytes + self.labels.nbytes

    @property
    def counts(self) -> SplitCounts:
        return SplitCounts(
            training=len(self.parts.training),
            validation=len(self.parts.validation),
            test=len(self.parts.test),
        )

    def save(self, directory: Path) -> None:
        """Write one file per array into a folder that exists, unless it is there already.

        Records that were collected there are.
        """
        with disk_errors(directory):
            for name, array in self._arrays().items():
                if not _is_in(array, directory / name):
                    np.save(directory / name, array, allow_pickle=False)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map the files that `save` wrote; nothing is read before it is used."""

        def mapped(name: str) -> NDArray[Any]:
            path = directory / name
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

        parts = Split(*(mapped(f"{name}.npy") for name in PARTS))
        return cls(mapped(FEATURES_FILE), mapped(LABELS_FILE), parts, mapped(FOLDS_FILE))

    def _arrays(self) -> dict[str, NDArray[Any] | Indices]:
        return {
            FEATURES_FILE: self.features,
            LABELS_FILE: self.labels,
            FOLDS_FILE: self.folds,
            **{f"{name}.npy": getattr(self.parts, name) for name in PARTS},
        }


def _is_in(array: NDArray[Any], path: Path) -> bool:
    """Tell whether an array is the whole of a file that is mapped."""
    base: object = array.base
    return isinstance(base, mmap) and getattr(array, "filename", None) == path
