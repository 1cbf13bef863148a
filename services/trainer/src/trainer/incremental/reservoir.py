"""An even sample of records that keep coming."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = tuple[NDArray[Any], NDArray[Any]]


class Reservoir:
    """Keeps at most `size` of all records that were added, each as likely as any other."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._features: NDArray[Any] | None = None
        self._labels: NDArray[Any] | None = None
        self.seen = 0

    def __len__(self) -> int:
        """Return the number of records that are kept."""
        return min(self.seen, self._size)

    @property
    def rows(self) -> Rows | None:
        """The features and labels that are kept; None before the first."""
        if self._features is None or self._labels is None:
            return None
        return self._features[: len(self)], self._labels[: len(self)]

    def add(self, rows: Rows, generator: np.random.Generator) -> None:
        """Let records take their chance, in their order."""
        features, labels = rows
        if not self._size or not len(features):
            return
        numbers = self.seen + np.arange(len(features))
        # Of several records for one place the last stays, as if they had come one by one.
        chances = generator.integers(0, numbers + 1)
        places = np.where(numbers < self._size, numbers, chances)
        taken = places < self._size
        self._features = _put(self._features, places[taken], features[taken], self._size)
        self._labels = _put(self._labels, places[taken], labels[taken], self._size)
        self.seen += len(features)

    def draw(self, count: int, generator: np.random.Generator) -> Rows | None:
        """Return so many of the records, each at most once; None if there are none."""
        kept = self.rows
        if kept is None or not count:
            return None
        places = generator.permutation(len(self))[:count]
        return kept[0][places], kept[1][places]

    def restore(self, rows: Rows, seen: int) -> None:
        """Go on from what `rows` and `seen` were."""
        count = len(rows[0])
        if not count:
            return
        places = np.arange(count)
        self._features = _put(None, places, rows[0], self._size)
        self._labels = _put(None, places, rows[1], self._size)
        self.seen = seen


def _put(
    kept: NDArray[Any] | None, places: NDArray[np.int64], rows: NDArray[Any], size: int
) -> NDArray[Any]:
    if kept is None:
        kept = np.empty((size, *rows.shape[1:]), rows.dtype)
    elif kept.dtype != rows.dtype:  # a longer text than before
        kept = kept.astype(np.promote_types(kept.dtype, rows.dtype))
    kept[places] = rows
    return kept


class RecentRecords:
    """Keeps the newest `size` records."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._blocks: list[Rows] = []
        self._count = 0

    def __len__(self) -> int:
        """Return the number of records that are kept."""
        return min(self._count, self._size)

    @property
    def rows(self) -> Rows | None:
        """The features and labels, oldest first; None before the first."""
        if not self._blocks:
            return None
        if len(self._blocks) > 1:
            features, labels = zip(*self._blocks, strict=True)
            whole = np.concatenate(features), np.concatenate(labels)
            self._blocks = [(whole[0][-self._size :], whole[1][-self._size :])]
            self._count = len(self._blocks[0][0])
        return self._blocks[0]

    def add(self, rows: Rows) -> None:
        count = len(rows[0])
        if not count:
            return
        self._blocks.append((rows[0][-self._size :], rows[1][-self._size :]))
        self._count += min(count, self._size)
        while self._count - len(self._blocks[0][0]) >= self._size:
            self._count -= len(self._blocks.pop(0)[0])
