"""For how many records at once LiteRT files are made."""

MAX_WEIGHT_BYTES = 256 * 2**20
MAX_BATCH_BYTES = 64 * 2**20
# The most useful first: each file holds all weights, so that a large model has fewer.
_SIZES = (1, 32, 256, 8)


def batch_sizes_of(*, weight_bytes: int, record_bytes: int) -> list[int]:
    """Return batch sizes in order: 1, and as many of 8, 32 and 256 as bounds allow."""
    count = max(1, MAX_WEIGHT_BYTES // max(1, weight_bytes))
    small = [each for each in _SIZES if each * record_bytes <= MAX_BATCH_BYTES or each == 1]
    return sorted(small[:count])
