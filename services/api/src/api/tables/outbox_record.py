"""Records that are to be published to Kafka, in the order of their ids."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import CreatedAt, PrimaryKey, Table, UtcTime

MAX_VALUE_BYTES = 1024 * 1024


class OutboxRecord(Table):
    """Written with the change that it tells of, deleted after the broker's ack.

    A letter is a record that a user's topic gets again: its headers are Base64, it has its
    own time, and a partition that it goes to if there is one of that number.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(f"octet_length(value) <= {MAX_VALUE_BYTES}", name="value_size"),
    )

    id: Mapped[PrimaryKey]
    event_id: Mapped[UUID] = mapped_column(unique=True)
    topic: Mapped[str]
    is_letter: Mapped[bool] = mapped_column(server_default="false")
    key: Mapped[bytes | None] = mapped_column(LargeBinary)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    headers: Mapped[list[tuple[str, str | None]]] = mapped_column(JSONB)
    partition: Mapped[int | None]
    timestamp_ms: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
    parked_at: Mapped[UtcTime | None]
    parked_reason: Mapped[str | None]
