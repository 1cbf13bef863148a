"""Tokens."""

from enum import StrEnum

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from api.tables.base import CreatedAt, PrimaryKey, Table, UtcTime
from api.tables.columns import text_enum
from kafkaml.schemas.tokens import Scope, Token
from kafkaml.schemas.workloads import WorkloadKind


class TokenOrigin(StrEnum):
    """Where a token comes from, and so who may change it."""

    PERSONAL = "personal"
    SETTINGS = "settings"
    ATTEMPT = "attempt"


class TokenRow(Table):
    """A token without its secret; that of an attempt names the attempt."""

    __tablename__ = "token"
    __table_args__ = (
        Index(
            "uq_token_settings_scope",
            "scope",
            unique=True,
            postgresql_where=text("origin = 'settings'"),
        ),
        Index("ix_token_attempt", "workload_kind", "workload_id", "attempt"),
    )

    id: Mapped[PrimaryKey]
    origin: Mapped[TokenOrigin] = text_enum(TokenOrigin)
    name: Mapped[str]
    scope: Mapped[Scope] = text_enum(Scope)
    prefix: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    workload_kind: Mapped[WorkloadKind | None] = text_enum(WorkloadKind, optional=True)
    workload_id: Mapped[int | None] = mapped_column(BigInteger)
    attempt: Mapped[int | None]
    expires_at: Mapped[UtcTime | None]
    last_used_at: Mapped[UtcTime | None]
    created_at: Mapped[CreatedAt]

    def to_resource(self) -> Token:
        """Return the token."""
        return Token.model_validate(self)
