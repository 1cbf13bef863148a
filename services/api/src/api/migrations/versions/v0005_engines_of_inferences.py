"""Which engine an inference is to have, and which it has."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    wanted = sa.Column(
        "wanted_engine", sa.String(length=40), server_default="auto", nullable=False
    )
    op.add_column("inference", wanted)
    op.alter_column("inference", "wanted_engine", server_default=None)
    engine = sa.Column("engine", postgresql.JSONB(none_as_null=True), nullable=True)
    op.add_column("inference", engine)


def downgrade() -> None:
    op.drop_column("inference", "engine")
    op.drop_column("inference", "wanted_engine")
