"""What trainings of streams without an end publish, and when they are to finish."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "training",
        sa.Column("improvement", postgresql.JSONB(none_as_null=True), nullable=True),
    )
    op.add_column(
        "training",
        sa.Column("is_to_finish", sa.Boolean(), server_default="false", nullable=False),
    )
    op.add_column(
        "inference",
        sa.Column("kept_artifact", postgresql.JSONB(none_as_null=True), nullable=True),
    )


def downgrade() -> None:
    op.drop_column("inference", "kept_artifact")
    op.drop_column("training", "is_to_finish")
    op.drop_column("training", "improvement")
