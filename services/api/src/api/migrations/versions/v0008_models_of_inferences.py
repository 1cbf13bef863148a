"""The models of an inference beside its primary one, and those before."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ROLES = ("canary", "shadow")
_JSON = postgresql.JSONB(none_as_null=True)


def upgrade() -> None:
    for role in _ROLES:
        name = f"{role}_training_id"
        op.add_column("inference", sa.Column(name, sa.BigInteger(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_inference_{name}"),
            "inference",
            "training",
            [name],
            ["id"],
            ondelete="RESTRICT",
        )
        op.create_index(op.f(f"ix_inference_{name}"), "inference", [name])
        kept = sa.Column(f"kept_{role}_artifact", _JSON, nullable=True)
        op.add_column("inference", kept)
    op.add_column("inference", sa.Column("canary_share", sa.Float(), nullable=True))
    op.add_column("inference", sa.Column("previous_models", _JSON, nullable=True))
    number = sa.Column("revision", sa.Integer(), server_default="1", nullable=False)
    op.add_column("inference", number)
    serving = sa.Column("serving_revisions", _JSON, server_default="{}", nullable=False)
    op.add_column("inference", serving)


def downgrade() -> None:
    for name in ("serving_revisions", "revision", "previous_models", "canary_share"):
        op.drop_column("inference", name)
    for role in _ROLES:
        op.drop_column("inference", f"kept_{role}_artifact")
        op.drop_column("inference", f"{role}_training_id")
