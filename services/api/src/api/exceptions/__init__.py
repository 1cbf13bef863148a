"""Errors of the API.

ApiError                          answered as a problem document (RFC 9457)
├── ValidationFailedError         422 validation-failed
│   └── BadCursorError            422 bad-cursor
├── UnauthenticatedError          401 unauthenticated
│   └── TokenInvalidError         401 token-invalid
├── ForbiddenError                403 forbidden
├── NotFoundError                 404 not-found
│   ├── ArtifactMissingError      404 artifact-missing
│   ├── FormatMissingError        404 format-missing
│   └── WorkloadNotCurrentError   404 workload-not-current
├── MethodNotAllowedError         405 method-not-allowed
├── ConflictError                 409
│   ├── NameTakenError            409 name-taken
│   ├── InUseError                409 in-use
│   ├── NotFinishedError          409 not-finished
│   ├── AlreadyFinishedError      409 already-finished
│   ├── StillRunningError         409 still-running
│   ├── StreamEndsError           409 stream-ends
│   ├── ModelInvalidError         409 model-invalid
│   ├── AttemptOverError          409 attempt-over
│   ├── DeploymentOverError       409 deployment-over
│   ├── InferenceOverError        409 inference-over
│   ├── NoModelsBeforeError       409 no-models-before
│   ├── OtherClusterError         409 other-cluster
│   ├── TopicMissingError         409 topic-missing
│   └── DatasourceRejectedError   409 datasource-rejected
├── BodyTimeoutError              408 body-timeout
├── BodyTooLargeError             413 body-too-large
├── DigestMismatchError           422 digest-mismatch
├── FormatInvalidError            422 format-invalid
├── IdempotencyKeyReusedError     422 idempotency-key-reused
├── InternalError                 500 internal
└── UnavailableError              503 unavailable
    └── NoReplicaError            503 no-replica
StartupError                      the process must not start
├── SchemaOutdatedError           the database has another schema than the code
└── UndeclaredPermissionError     a route does not say who may call it
RecordsRejectedError              Kafka will never take these records
ReplicaFailedError                one replica of an inference did not answer
TopicUnusableError                letters are for a topic that cannot be written
"""

from api.exceptions.availability import (
    InternalError,
    NoReplicaError,
    UnavailableError,
)
from api.exceptions.base import (
    ApiError,
)
from api.exceptions.conflicts import (
    AlreadyFinishedError,
    AttemptOverError,
    ConflictError,
    DatasourceRejectedError,
    DeploymentOverError,
    InferenceOverError,
    InUseError,
    ModelInvalidError,
    NameTakenError,
    NoModelsBeforeError,
    NotFinishedError,
    OtherClusterError,
    StillRunningError,
    StreamEndsError,
    TopicMissingError,
)
from api.exceptions.missing import (
    ArtifactMissingError,
    FormatMissingError,
    NotFoundError,
    WorkloadNotCurrentError,
)
from api.exceptions.processes import (
    RecordsRejectedError,
    ReplicaFailedError,
    SchemaOutdatedError,
    StartupError,
    TopicUnusableError,
    UndeclaredPermissionError,
)
from api.exceptions.requests import (
    BadCursorError,
    BodyTimeoutError,
    BodyTooLargeError,
    DigestMismatchError,
    ForbiddenError,
    FormatInvalidError,
    IdempotencyKeyReusedError,
    MethodNotAllowedError,
    TokenInvalidError,
    UnauthenticatedError,
    ValidationFailedError,
)

__all__ = [
    "AlreadyFinishedError",
    "ApiError",
    "ArtifactMissingError",
    "AttemptOverError",
    "BadCursorError",
    "BodyTimeoutError",
    "BodyTooLargeError",
    "ConflictError",
    "DatasourceRejectedError",
    "DeploymentOverError",
    "DigestMismatchError",
    "ForbiddenError",
    "FormatInvalidError",
    "FormatMissingError",
    "IdempotencyKeyReusedError",
    "InUseError",
    "InferenceOverError",
    "InternalError",
    "MethodNotAllowedError",
    "ModelInvalidError",
    "NameTakenError",
    "NoModelsBeforeError",
    "NoReplicaError",
    "NotFinishedError",
    "NotFoundError",
    "OtherClusterError",
    "RecordsRejectedError",
    "ReplicaFailedError",
    "SchemaOutdatedError",
    "StartupError",
    "StillRunningError",
    "StreamEndsError",
    "TokenInvalidError",
    "TopicMissingError",
    "TopicUnusableError",
    "UnauthenticatedError",
    "UnavailableError",
    "UndeclaredPermissionError",
    "ValidationFailedError",
    "WorkloadNotCurrentError",
]
