"""The identity of the platform in the database."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.tables.platform_row import PlatformRow


class PlatformStore:
    """Reads the identity."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def current_id(self) -> UUID:
        """Return the identity of this database.

        It is never kept: another database may be put in this one's place meanwhile.
        """
        return (await self._session.scalars(select(PlatformRow.id))).one()
