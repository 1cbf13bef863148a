"""The first schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _create_configuration()
    _create_datasource()
    _create_model()
    _create_outbox()
    _create_token()
    _create_configuration_model()
    _create_deployment()
    _create_idempotency_key()
    _create_model_version()
    _create_training()
    _create_inference()
    _create_training_metric()


def downgrade() -> None:
    op.drop_table("training_metric")
    op.drop_table("inference")
    op.drop_table("training")
    op.drop_table("model_version")
    op.drop_table("idempotency_key")
    op.drop_table("deployment")
    op.drop_table("configuration_model")
    op.drop_table("token")
    op.drop_table("outbox")
    op.drop_table("model")
    op.drop_table("datasource")
    op.drop_table("configuration")


def _create_configuration() -> None:
    op.create_table(
        "configuration",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_configuration"),
        sa.UniqueConstraint("name", name="uq_configuration_name"),
    )


def _create_datasource() -> None:
    op.create_table(
        "datasource",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("rejection", sa.String(), nullable=True),
        sa.Column("deployment_id", sa.BigInteger(), nullable=True),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_datasource"),
        sa.UniqueConstraint(
            "topic", "partition", "offset", name="uq_datasource_topic_partition_offset"
        ),
    )
    op.create_index(
        "ix_datasource_deployment_id", "datasource", ["deployment_id"], unique=False
    )


def _create_model() -> None:
    op.create_table(
        "model",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model"),
        sa.UniqueConstraint("name", name="uq_model_name"),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parked_reason", sa.String(), nullable=True),
        sa.CheckConstraint("octet_length(value) <= 1048576", name="ck_outbox_value_size"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("event_id", name="uq_outbox_event_id"),
    )


def _create_token() -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("origin", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("workload_kind", sa.String(length=40), nullable=True),
        sa.Column("workload_id", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("sha256", name="uq_token_sha256"),
    )
    op.create_index(
        "ix_token_attempt",
        "token",
        ["workload_kind", "workload_id", "attempt"],
        unique=False,
    )
    op.create_index(
        "uq_token_settings_scope",
        "token",
        ["scope"],
        unique=True,
        postgresql_where=sa.text("origin = 'settings'"),
    )


def _create_configuration_model() -> None:
    op.create_table(
        "configuration_model",
        sa.Column("configuration_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["configuration.id"],
            name="fk_configuration_model_configuration_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
            name="fk_configuration_model_model_id",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint(
            "configuration_id", "position", name="pk_configuration_model"
        ),
        sa.UniqueConstraint(
            "configuration_id",
            "model_id",
            name="uq_configuration_model_configuration_id_model_id",
        ),
    )
    op.create_index(
        "ix_configuration_model_model_id", "configuration_model", ["model_id"], unique=False
    )


def _create_deployment() -> None:
    op.create_table(
        "deployment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("configuration_id", sa.BigInteger(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("control_topic", sa.String(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["configuration.id"],
            name="fk_deployment_configuration_id",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
    )
    op.create_index(
        "ix_deployment_configuration_id", "deployment", ["configuration_id"], unique=False
    )


def _create_idempotency_key() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["token.id"],
            name="fk_idempotency_key_token_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_id", "key", name="pk_idempotency_key"),
    )
    op.create_index(
        "ix_idempotency_key_created_at", "idempotency_key", ["created_at"], unique=False
    )


def _create_model_version() -> None:
    op.create_table(
        "model_version",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("check", postgresql.JSONB(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="1", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name="fk_model_version_model_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model_version"),
        sa.UniqueConstraint("model_id", "number", name="uq_model_version_model_id_number"),
    )
    op.create_index(
        "ix_model_version_checking",
        "model_version",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'checking'"),
    )


def _create_training() -> None:
    op.create_table(
        "training",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("deployment_id", sa.BigInteger(), nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="1", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure_reason", sa.String(length=40), nullable=True),
        sa.Column("failure_message", sa.String(), nullable=True),
        sa.Column("result", postgresql.JSONB(), nullable=True),
        sa.Column("confusion_matrix", postgresql.JSONB(), nullable=True),
        sa.Column("artifact_sha256", sa.String(), nullable=True),
        sa.Column("artifact_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployment.id"],
            name="fk_training_deployment_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.id"],
            name="fk_training_model_version_id",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_training"),
    )
    op.create_index(
        "ix_training_active",
        "training",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'starting', 'waiting', 'training')"),
    )
    op.create_index(
        "ix_training_deployment_id", "training", ["deployment_id"], unique=False
    )
    op.create_index(
        "ix_training_model_version_id", "training", ["model_version_id"], unique=False
    )


def _create_inference() -> None:
    op.create_table(
        "inference",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("training_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="1", nullable=False),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column(
            "serving_replicas",
            postgresql.ARRAY(sa.Integer()),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("input_topic", sa.String(), nullable=False),
        sa.Column("output_topic", sa.String(), nullable=False),
        sa.Column("input_format", sa.String(), nullable=False),
        sa.Column("input_config", postgresql.JSONB(), nullable=False),
        sa.Column("start", sa.String(), nullable=False),
        sa.Column("resources", postgresql.JSONB(), nullable=False),
        sa.Column("failure_reason", sa.String(length=40), nullable=True),
        sa.Column("failure_message", sa.String(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["training_id"],
            ["training.id"],
            name="fk_inference_training_id",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_inference"),
    )
    op.create_index(
        "ix_inference_active",
        "inference",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'starting', 'serving')"),
    )
    op.create_index("ix_inference_training_id", "inference", ["training_id"], unique=False)


def _create_training_metric() -> None:
    op.create_table(
        "training_metric",
        sa.Column("training_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["training_id"],
            ["training.id"],
            name="fk_training_metric_training_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "training_id", "attempt", "epoch", "name", name="pk_training_metric"
        ),
    )
