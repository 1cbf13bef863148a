"""The identity of the platform, what keeps a workload waiting, how far a fit is."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WITH_NOTICE = ("model_version", "training", "inference")


def upgrade() -> None:
    op.create_table(
        "platform",
        sa.Column(
            "id",
            sa.Uuid(),
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
        ),
        sa.Column("is_only", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("is_only", name="ck_platform_is_only"),
        sa.PrimaryKeyConstraint("id", name="pk_platform"),
        sa.UniqueConstraint("is_only", name="uq_platform_is_only"),
    )
    op.execute("INSERT INTO platform DEFAULT VALUES")
    for table in _WITH_NOTICE:
        op.add_column(table, sa.Column("notice", sa.String(), nullable=True))
    op.add_column(
        "training",
        sa.Column("progress", postgresql.JSONB(none_as_null=True), nullable=True),
    )
    op.add_column("training", sa.Column("checkpoint_sha256", sa.String(), nullable=True))
    op.add_column(
        "training", sa.Column("checkpoint_size_bytes", sa.BigInteger(), nullable=True)
    )


def downgrade() -> None:
    for column in ("checkpoint_size_bytes", "checkpoint_sha256", "progress"):
        op.drop_column("training", column)
    for table in reversed(_WITH_NOTICE):
        op.drop_column(table, "notice")
    op.drop_table("platform")
