"""Going through arrays that may be larger than memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 2**24


def chunks_of(
    array: NDArray[Any], rows: NDArray[np.int64] | None = None
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield some rows of an array after the other, each time with the place of the first.

    With `rows` those rows, in that order; places are those in `rows` then.
    """
    count = len(array) if rows is None else len(rows)
    width = array.dtype.itemsize * int(np.prod(array.shape[1:]))
    step = max(1, CHUNK_BYTES // max(1, width))
    for first in range(0, count, step):
        places = slice(first, first + step)
        yield first, np.asarray(array[places if rows is None else rows[places]])
