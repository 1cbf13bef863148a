"""What every codec promises."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Dtype = np.dtype[Any]


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be decoded: its place in the batch, and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The good records of a batch as one array, and what was wrong with the others.

    `array` has shape `(good records, *shape of one record)`; `good` holds the place in the
    batch of each of its rows, ascending, so that rows and records can be matched.
    """

    array: Array
    good: NDArray[np.int64]
    bad: tuple[BadRecord, ...]


class Codec(Protocol):
    """Turns record values into one array, and an array into record values."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of one record; None where the records decide."""

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a batch at once. A bad record is named, never raised; the rest is kept."""

    def encode(self, array: Array) -> list[bytes]:
        """Encode each row of `array` as the value of one record."""
