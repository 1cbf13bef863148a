"""Keyset paging: a page goes on below the last id of the page before."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from api.exceptions import BadCursorError
from kafkaml.control import MAX_ID

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

_PREFIX = b"id<"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most `limit` rows with an id below `below`, newest first."""

    limit: int
    below: int | None

    @classmethod
    def from_query(cls, *, limit: int, cursor: str | None) -> Self:
        """Read what a caller sent; raise BadCursorError."""
        return cls(limit, None if cursor is None else id_of_cursor(cursor))


RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Rows(Generic[RowT]):
    """The rows of one page, and the cursor of the next one."""

    items: Sequence[RowT]
    next_cursor: str | None


def cursor_of_id(last_id: int) -> str:
    """Return an opaque cursor for the rows below an id."""
    return base64.urlsafe_b64encode(_PREFIX + str(last_id).encode()).decode().rstrip("=")


def id_of_cursor(cursor: str) -> int:
    """Return the id that a cursor hides; raise BadCursorError if we did not make it."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        hidden = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as e:
        raise BadCursorError from e
    digits = hidden.removeprefix(_PREFIX)
    if not hidden.startswith(_PREFIX) or not digits.isdigit() or len(digits) > 19:
        raise BadCursorError
    last_id = int(digits)
    if not 1 <= last_id <= MAX_ID or cursor_of_id(last_id) != cursor:
        raise BadCursorError
    return last_id
