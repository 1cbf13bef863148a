"""Which records a canary answers."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inferencer.record import Record, coordinates

_UINT32 = 2**32


def canary_mask(records: Sequence[Record], share: float) -> NDArray[np.bool_]:
    """Return for each record whether the canary answers it, which has this share of keys.

    A key is the same wherever and whenever it comes, and stays with the canary when the
    share grows. A record without a key counts by its coordinates.
    """
    hashes = np.fromiter(
        (zlib.crc32(_identity(each)) for each in records), np.uint32, len(records)
    )
    return _mixed(hashes) < np.uint64(round(share * _UINT32))


def _identity(record: Record) -> bytes:
    key = record.key()
    return coordinates(record).encode() if key is None else key


def _mixed(hashes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return numbers below 2**32 that share no pattern with `hashes`.

    Partitions are often chosen by the same checksum: without this, a canary could have
    whole partitions instead of a share of each.
    """
    mixed = hashes.copy()
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed.astype(np.uint64)
