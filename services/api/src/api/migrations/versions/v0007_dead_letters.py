"""Dead letters that are sent again, and inferences that pause because of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    for name in ("dead_letter_limit", "pause"):
        column = sa.Column(name, postgresql.JSONB(none_as_null=True), nullable=True)
        op.add_column("inference", column)
    resumptions = sa.Column("resumptions", sa.Integer(), server_default="0", nullable=False)
    op.add_column("inference", resumptions)
    op.alter_column("outbox", "key", nullable=True)
    op.alter_column("outbox", "value", nullable=True)
    op.add_column(
        "outbox",
        sa.Column("is_letter", sa.Boolean(), server_default="false", nullable=False),
    )
    op.add_column("outbox", sa.Column("partition", sa.Integer(), nullable=True))
    op.add_column("outbox", sa.Column("timestamp_ms", sa.BigInteger(), nullable=True))
    op.create_table(
        "sent_letter",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("inference_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["inference_id"],
            ["inference.id"],
            name=op.f("fk_sent_letter_inference_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "topic", "partition", "offset", "timestamp_ms", name=op.f("pk_sent_letter")
        ),
    )
    op.create_index(op.f("ix_sent_letter_inference_id"), "sent_letter", ["inference_id"])


def downgrade() -> None:
    op.drop_table("sent_letter")
    op.execute("DELETE FROM outbox WHERE is_letter")
    for name in ("timestamp_ms", "partition", "is_letter"):
        op.drop_column("outbox", name)
    op.alter_column("outbox", "value", nullable=False)
    op.alter_column("outbox", "key", nullable=False)
    for name in ("resumptions", "pause", "dead_letter_limit"):
        op.drop_column("inference", name)
