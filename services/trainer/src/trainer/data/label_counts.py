"""How often each class occurs."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.chunks import chunks_of

MAX_CLASSES = 1000


def count_labels(
    labels: NDArray[Any], rows: NDArray[np.int64] | None = None
) -> dict[str, int] | None:
    """Return the records of each class that occurs, by class; None if labels are none.

    Classes are whole numbers from 0, or vectors with one 1 among zeros. `labels` has a row
    for each record; with `rows` only those count.
    """
    if labels.dtype.kind not in "biuf":
        return None
    counted: Counter[int] = Counter()
    for _, chunk in chunks_of(labels, rows):
        flat = chunk.reshape(len(chunk), -1)
        numbers = flat[:, 0] if flat.shape[1] == 1 else _from_one_hot(flat)
        if numbers is None or not _are_classes(numbers):
            return None
        classes, counts = np.unique(numbers.astype(np.int64), return_counts=True)
        counted.update(dict(zip(classes.tolist(), counts.tolist(), strict=True)))
        if len(counted) > MAX_CLASSES:
            return None
    return {str(label): counted[label] for label in sorted(counted)} or None


def _from_one_hot(rows: NDArray[Any]) -> NDArray[Any] | None:
    is_one_hot = np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all()
    return rows.argmax(axis=1) if is_one_hot else None


def _are_classes(numbers: NDArray[Any]) -> bool:
    return bool(((numbers >= 0) & (numbers < 2**31) & (numbers == np.floor(numbers))).all())
