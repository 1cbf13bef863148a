"""When two engines give the same answers."""

import numpy as np

from kafkaml.records.base import Array

TOLERANCE = 1e-5


def allowed_difference(largest: float) -> float:
    """Return how far answers may be apart whose largest number is `largest`.

    It is 1e-5 for probabilities and other numbers up to 1, and that share of larger ones:
    float32 keeps seven digits, of which sums in another order cost the last.
    """
    return TOLERANCE * max(1.0, largest)


def is_equal(answers: Array, wanted: Array) -> bool:
    """Return whether answers are the wanted ones, where these are no number too."""
    if answers.dtype.kind != "f":
        return bool(np.array_equal(answers, wanted))
    finite = np.isfinite(wanted)
    if not np.array_equal(answers[~finite], wanted[~finite], equal_nan=True):
        return False
    if not finite.any():
        return True
    expected = wanted[finite].astype(np.float64)
    # What is not finite only here is far from everything.
    difference = np.abs(answers[finite] - expected).max()
    return bool(difference <= allowed_difference(float(np.abs(expected).max())))
