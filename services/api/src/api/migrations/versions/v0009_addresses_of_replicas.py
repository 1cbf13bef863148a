"""Where the replicas of inferences are asked over HTTP."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "replica_address",
        sa.Column("inference_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inference_id"],
            ["inference.id"],
            name=op.f("fk_replica_address_inference_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inference_id", "address", name=op.f("pk_replica_address")),
    )


def downgrade() -> None:
    op.drop_table("replica_address")
