"""What is still to be read of a topic of dead letters, as clients keep it to go on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from api.exceptions import BadCursorError
from kafkaml.control import MAX_ID

_MAX_LENGTH = 20_000
_TEXT = re.compile(
    r"[0-9]{1,9}-[0-9]{1,19}-[0-9]{1,19}(\.[0-9]{1,9}-[0-9]{1,19}-[0-9]{1,19})*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets of one partition; `end` is exclusive."""

    start: int
    end: int

    @property
    def is_empty(self) -> bool:
        return self.start >= self.end

    def within(self, limits: Self) -> Self:
        """Return the part that is also in `limits`."""
        return type(self)(max(self.start, limits.start), min(self.end, limits.end))

    def first(self, count: int) -> Self:
        """Return its first offsets."""
        return type(self)(self.start, min(self.end, self.start + count))

    def last(self, count: int) -> Self:
        """Return its last offsets."""
        return type(self)(max(self.start, self.end - count), self.end)


@dataclass(frozen=True, slots=True)
class LetterRanges:
    """A range for each partition that has something left; opaque to clients.

    The ends are those of the first page, so that what is written meanwhile (by letters that
    are sent again and fail again) does not keep a reader going for ever.
    """

    ranges: Mapping[int, OffsetRange]

    def __str__(self) -> str:
        return ".".join(
            f"{partition}-{each.start}-{each.end}"
            for partition, each in sorted(self.ranges.items())
        )

    @classmethod
    def left_of(cls, ranges: Mapping[int, OffsetRange]) -> Self:
        """Return the ranges that are not empty."""
        return cls({number: each for number, each in ranges.items() if not each.is_empty})

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `str` wrote; raise BadCursorError if it is anything else."""
        if len(text) > _MAX_LENGTH or not _TEXT.fullmatch(text):
            raise BadCursorError
        parts = [[int(number) for number in part.split("-")] for part in text.split(".")]
        ranges = {partition: OffsetRange(start, end) for partition, start, end in parts}
        if len(ranges) < len(parts) or any(
            each.is_empty or each.end > MAX_ID for each in ranges.values()
        ):
            raise BadCursorError
        return cls(ranges)

    def within(self, limits: Mapping[int, OffsetRange]) -> Self:
        """Return what of it the topic still holds."""
        return self.left_of(
            {
                number: each.within(limits[number])
                for number, each in self.ranges.items()
                if number in limits
            }
        )
