"""Every table, for migrations."""

from api.tables.base import Table
from api.tables.configuration_model_row import ConfigurationModelRow
from api.tables.configuration_row import ConfigurationRow
from api.tables.datasource_row import DatasourceRow
from api.tables.deployment_row import DeploymentRow
from api.tables.idempotency_key_row import IdempotencyKeyRow
from api.tables.inference_row import InferenceRow
from api.tables.inference_statistics_row import InferenceStatisticsRow
from api.tables.model_row import ModelRow
from api.tables.model_version_row import ModelVersionRow
from api.tables.outbox_record import OutboxRecord
from api.tables.platform_row import PlatformRow
from api.tables.replica_address_row import ReplicaAddressRow
from api.tables.sent_letter_row import SentLetterRow
from api.tables.token_row import TokenRow
from api.tables.training_metric_row import TrainingMetricRow
from api.tables.training_row import TrainingRow

ALL_TABLES = (
    ConfigurationModelRow,
    ConfigurationRow,
    DatasourceRow,
    DeploymentRow,
    IdempotencyKeyRow,
    InferenceRow,
    InferenceStatisticsRow,
    ModelRow,
    ModelVersionRow,
    OutboxRecord,
    PlatformRow,
    ReplicaAddressRow,
    SentLetterRow,
    TokenRow,
    TrainingMetricRow,
    TrainingRow,
)
METADATA = Table.metadata
