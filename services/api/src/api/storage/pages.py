"""How a page of rows is read."""

from typing import TypeVar

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from api.paging import PageRequest, Rows, cursor_of_id

RowT = TypeVar("RowT")


async def fetch_page(
    session: AsyncSession,
    statement: Select[RowT],
    *,
    key: InstrumentedAttribute[int],
    page: PageRequest,
) -> Rows[RowT]:
    """Return the rows of a page, newest first; one more is read to see if more come."""
    if page.below is not None:
        statement = statement.where(key < page.below)
    statement = statement.order_by(key.desc()).limit(page.limit + 1)
    rows = (await session.scalars(statement)).all()
    items = rows[: page.limit]
    more = len(rows) > page.limit
    last_id: int = getattr(items[-1], key.key) if more else 0
    return Rows(items, cursor_of_id(last_id) if more else None)
