"""Positions in the log of events, as clients keep them to resume."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from api.exceptions import BadCursorError
from kafkaml.control import MAX_ID

_MAX_LENGTH = 2000
_TEXT = re.compile(r"[0-9]{1,9}-[0-9]{1,19}(\.[0-9]{1,9}-[0-9]{1,19})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventCursor:
    """The offset that comes next, for each partition; opaque to clients."""

    positions: Mapping[int, int]

    def __str__(self) -> str:
        return ".".join(
            f"{each}-{offset}" for each, offset in sorted(self.positions.items())
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `str` wrote; raise BadCursorError if it is anything else."""
        if len(text) > _MAX_LENGTH or not _TEXT.fullmatch(text):
            raise _bad_cursor()
        pairs = [part.split("-") for part in text.split(".")]
        positions = {int(partition): int(offset) for partition, offset in pairs}
        if len(positions) < len(pairs) or max(positions.values()) > MAX_ID:
            raise _bad_cursor()
        return cls(positions)

    def covers(self, partition: int, offset: int) -> bool:
        """Return whether the record at an offset comes before this position."""
        return offset < self.positions.get(partition, 0)

    def past(self, partition: int, offset: int) -> Self:
        """Return the position after the record at an offset."""
        return type(self)({**self.positions, partition: offset + 1})


def _bad_cursor() -> BadCursorError:
    return BadCursorError(
        "header.last-event-id", "send the id of an event as it came, or no such header"
    )
