"""Datasources."""

from typing import Any

import orjson
from sqlalchemy import BigInteger, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import CreatedAt, PrimaryKey, Table, UtcTime
from api.tables.columns import text_enum
from kafkaml.control import MAX_VALUE_BYTES
from kafkaml.schemas.datasources import Datasource
from kafkaml.schemas.states import DatasourceState


class DatasourceRow(Table):
    """A record of the control topic, byte by byte, and what it turned out to be.

    `deployment_id` is what the message says: no foreign key, for it may be wrong.
    """

    __tablename__ = "datasource"
    __table_args__ = (UniqueConstraint("topic", "partition", "offset"),)

    id: Mapped[PrimaryKey]
    state: Mapped[DatasourceState] = text_enum(DatasourceState)
    rejection: Mapped[str | None]
    deployment_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    topic: Mapped[str]
    partition: Mapped[int]
    offset: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[bytes | None] = mapped_column(LargeBinary)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    announced_at: Mapped[UtcTime]
    created_at: Mapped[CreatedAt]

    @property
    def fields(self) -> dict[str, Any] | None:
        """The message's fields; None if it is not a JSON object of a sound size."""
        if self.value is None or len(self.value) > MAX_VALUE_BYTES:
            return None
        try:
            fields = orjson.loads(self.value)
        except orjson.JSONDecodeError:
            return None
        return fields if isinstance(fields, dict) else None

    def to_resource(self) -> Datasource:
        """Return the datasource."""
        return Datasource(
            id=self.id,
            state=self.state,
            rejection=self.rejection,
            deployment_id=self.deployment_id,
            control=self.fields,
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            announced_at=self.announced_at,
            created_at=self.created_at,
        )
