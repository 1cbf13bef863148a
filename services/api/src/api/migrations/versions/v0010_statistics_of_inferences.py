"""What the replicas of inferences count, and whether their records have drifted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    for name in ("drift", "drift_alarm"):
        column = sa.Column(name, postgresql.JSONB(none_as_null=True), nullable=True)
        op.add_column("inference", column)
    op.create_table(
        "inference_statistics",
        sa.Column("inference_id", sa.BigInteger(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inference_id"],
            ["inference.id"],
            name=op.f("fk_inference_statistics_inference_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "inference_id", "instance", name=op.f("pk_inference_statistics")
        ),
    )


def downgrade() -> None:
    op.drop_table("inference_statistics")
    for name in ("drift_alarm", "drift"):
        op.drop_column("inference", name)
