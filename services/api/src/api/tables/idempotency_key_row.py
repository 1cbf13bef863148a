"""Answers to requests that came with an Idempotency-Key."""

from sqlalchemy import BigInteger, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import CreatedAt, Table


class IdempotencyKeyRow(Table):
    """One key of one token; the answer is written in the transaction of its effect."""

    __tablename__ = "idempotency_key"

    token_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("token.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt] = mapped_column(index=True)
