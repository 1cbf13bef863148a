"""How an inference answers: how often, in which form, and on which cluster."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What inferences were before there was a choice.
_REQUIRED = (
    ("guarantee", sa.String(length=40), "at_least_once"),
    ("output_format", sa.String(length=40), "JSON"),
    ("output_config", postgresql.JSONB(), "{}"),
)
_OPTIONAL = (
    ("input_cluster", sa.String()),
    ("output_cluster", sa.String()),
    ("early_exit_limit", sa.Float()),
    ("upper_topic", sa.String()),
)


def upgrade() -> None:
    for name, kind, before in _REQUIRED:
        column = sa.Column(name, kind, server_default=before, nullable=False)
        op.add_column("inference", column)
        op.alter_column("inference", name, server_default=None)
    for name, optional_kind in _OPTIONAL:
        op.add_column("inference", sa.Column(name, optional_kind, nullable=True))


def downgrade() -> None:
    for name, *_ in reversed((*_REQUIRED, *_OPTIONAL)):
        op.drop_column("inference", name)
