"""The bins of a profile, the same wherever values are counted in them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.profiles import HISTOGRAM_BINS

# Of a bin. Values at equal distances often lie on the ends of bins, and must not come into
# the bin below because they went through another type of number.
TOLERANCE = 1e-6


def bin_numbers(values: Any, minimum: Any, maximum: Any) -> NDArray[np.int64]:
    """Return the bin of each value: 16 of equal width from minimum to maximum.

    Values beyond them are in the first or the last; where both are the same, all values are
    in the first. The arguments are broadcast; what is not finite has a bin without meaning.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        width = np.where(maximum > minimum, np.subtract(maximum, minimum), np.inf)
        places = np.subtract(values, minimum, dtype=np.float64)
        places /= width
        places *= HISTOGRAM_BINS
        places += TOLERANCE
        np.nan_to_num(places, copy=False, nan=0.0)
        np.clip(places, 0, HISTOGRAM_BINS - 1, out=places)
    return np.asarray(places.astype(np.int64))
