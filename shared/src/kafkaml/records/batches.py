"""What the codecs share: sorting the good records of a batch from the bad ones."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from kafkaml.records.base import Array, BadRecord, Decoded

HashableT = TypeVar("HashableT", bound=Hashable)


def all_good(array: Array) -> Decoded:
    """Return a batch in which every record is good."""
    return Decoded(array, np.arange(len(array), dtype=np.int64), ())


def some_good(array: Array, reasons: Sequence[str | None]) -> Decoded:
    """Return a batch from its good rows, and for each record what is wrong with it."""
    good = [index for index, reason in enumerate(reasons) if reason is None]
    bad = tuple(
        BadRecord(index, reason)
        for index, reason in enumerate(reasons)
        if reason is not None
    )
    return Decoded(array, np.asarray(good, dtype=np.int64), bad)


def most_common(items: Iterable[HashableT]) -> HashableT | None:
    """Return the item that is there most often, the first of several; None if none is."""
    ranked = Counter(items).most_common(1)
    return ranked[0][0] if ranked else None


def null_reason(part: str) -> str:
    """Return the reason for a record whose `part` (value or key) is null."""
    return f"the {part} is null"
