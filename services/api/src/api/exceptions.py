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

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import ClassVar

from kafkaml.schemas.problems import FieldError
from kafkaml.schemas.tokens import Scope

BEARER_CHALLENGE = 'Bearer realm="kafka-ml"'


class ApiError(Exception):
    """An answer that is not the one the caller hoped for; the text says what to do."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        super().__init__(detail)


class ValidationFailedError(ApiError):
    """The request is not well-formed; `errors` says where."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "validation-failed"
    title = "The request is not valid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        places = ", ".join(each.location for each in errors[:5])
        super().__init__(f"Correct {places} and send it again.", errors=errors)

    @classmethod
    def at(cls, location: str, message: str) -> "ValidationFailedError":
        """Return the error for one field."""
        return cls([FieldError(location=location, message=message)])


class BadCursorError(ValidationFailedError):
    """A cursor was not made by this API."""

    code = "bad-cursor"
    title = "The cursor is not valid"

    def __init__(
        self,
        location: str = "query.cursor",
        message: str = "use next_cursor of the page before, or none for the first page",
    ) -> None:
        super().__init__([FieldError(location=location, message=message)])


class UnauthenticatedError(ApiError):
    """No token came with the request."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthenticated"
    title = "A token is needed"

    def __init__(self, detail: str = "Send the header 'Authorization: Bearer …'.") -> None:
        super().__init__(detail, headers={"WWW-Authenticate": BEARER_CHALLENGE})


class TokenInvalidError(UnauthenticatedError):
    """The token is unknown, deleted or expired."""

    code = "token-invalid"
    title = "The token is not valid"

    def __init__(self) -> None:
        super().__init__("The token is unknown, deleted or expired: use another one.")
        self.headers["WWW-Authenticate"] = f'{BEARER_CHALLENGE}, error="invalid_token"'


class ForbiddenError(ApiError):
    """The token's scope does not allow the call."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"
    title = "The token does not allow this"

    def __init__(self, *, scope: Scope, needed: Sequence[Scope]) -> None:
        wanted = " or ".join(needed)
        super().__init__(f"The token has scope {scope}; this call needs {wanted}.")


class NotFoundError(ApiError):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND
    code = "not-found"
    title = "Not found"

    @classmethod
    def of(cls, noun: str, identifier: int | str) -> "NotFoundError":
        """Return the error for a thing that is named by its kind and id."""
        return cls(f"There is no {noun} {identifier}. It may have been deleted.")


class ArtifactMissingError(NotFoundError):
    """The artifact store has nothing under a key."""

    code = "artifact-missing"
    title = "The stored file is missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"The artifact store holds no {key!r}. Train again to make it.")


class FormatMissingError(NotFoundError):
    """A trained model is there, but not in the format that is asked for."""

    code = "format-missing"
    title = "The model has no file in this format"

    def __init__(self, training_id: int, *, wanted: str, existing: Sequence[str]) -> None:
        has = f"has {' and '.join(existing)}" if existing else "has none at all"
        super().__init__(
            f"The training {training_id} has no {wanted} file; it {has}. Its result says "
            "under `exports` what came of those that the deployment asked for."
        )


class WorkloadNotCurrentError(NotFoundError):
    """A workload is unknown, or another attempt has taken its place."""

    code = "workload-not-current"
    title = "The workload is not wanted"

    def __init__(self, name: str) -> None:
        super().__init__(f"No workload {name!r} is wanted now: stop it if it runs.")


class MethodNotAllowedError(ApiError):
    """The path exists, but not with this method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method-not-allowed"
    title = "The method is not allowed"

    def __init__(self, *, method: str, allowed: str) -> None:
        super().__init__(
            f"{method} is not allowed here: use {allowed or 'another path'}.",
            headers={"Allow": allowed},
        )


class ConflictError(ApiError):
    """The call does not fit the state that things are in."""

    status = HTTPStatus.CONFLICT
    code = "conflict"
    title = "The call does not fit the present state"


class NameTakenError(ConflictError):
    """A name that must be unique is used already."""

    code = "name-taken"
    title = "The name is taken"

    def __init__(self, noun: str, name: str) -> None:
        super().__init__(f"A {noun} named {name!r} exists. Choose another name.")


class InUseError(ConflictError):
    """Something cannot be deleted while other things need it."""

    code = "in-use"
    title = "It is still used"

    def __init__(self, noun: str, identifier: int, *, by: str) -> None:
        super().__init__(f"The {noun} {identifier} is used by {by}. Delete that first.")


class NotFinishedError(ConflictError):
    """Something needs a finished training."""

    code = "not-finished"
    title = "The training is not finished"

    def __init__(self, training_id: int, *, state: str) -> None:
        super().__init__(
            f"The training {training_id} is {state}; this needs one that is finished."
        )


class AlreadyFinishedError(ConflictError):
    """A training that has its result cannot be tried again."""

    code = "already-finished"
    title = "The training is finished"

    def __init__(self, training_id: int) -> None:
        super().__init__(
            f"The training {training_id} has its result. Deploy its configuration again "
            "for another one."
        )


class StillRunningError(ConflictError):
    """Something needs a thing that is over."""

    code = "still-running"
    title = "It is still running"

    def __init__(self, noun: str, identifier: int, *, state: str) -> None:
        super().__init__(f"The {noun} {identifier} is {state}. Stop it first.")


class StreamEndsError(ConflictError):
    """Only a training of a stream without an end can be told to finish."""

    code = "stream-ends"
    title = "The stream of the training has an end"

    def __init__(self, training_id: int) -> None:
        super().__init__(
            f"Training {training_id} reads a stream that has an end: wait for it, or stop "
            "the training."
        )


class ModelInvalidError(ConflictError):
    """A model's newest version does not give a usable Keras model."""

    code = "model-invalid"
    title = "A model is invalid"

    def __init__(self, names: Sequence[str]) -> None:
        listed = ", ".join(repr(name) for name in names)
        super().__init__(
            f"The newest version of {listed} did not pass its check. Read its error and "
            "add a corrected version."
        )


class AttemptOverError(ConflictError):
    """An attempt was stopped, superseded or has failed."""

    code = "attempt-over"
    title = "The attempt is over"

    def __init__(self) -> None:
        super().__init__("The attempt was stopped, superseded or has ended: exit.")


class DeploymentOverError(ConflictError):
    """A deployment waits for no stream any more."""

    code = "deployment-over"
    title = "The deployment is over"

    def __init__(self, deployment_id: int) -> None:
        super().__init__(
            f"Every training of deployment {deployment_id} is over, so none would read "
            "the stream. Make another deployment."
        )


class InferenceOverError(ConflictError):
    """An inference was stopped or has failed."""

    code = "inference-over"
    title = "The inference is over"

    def __init__(self, inference_id: int, *, state: str) -> None:
        super().__init__(f"The inference {inference_id} is {state}. Make another one.")


class OtherClusterError(ConflictError):
    """A topic is on a cluster that only replicas reach."""

    code = "other-cluster"
    title = "The topic is on another cluster"

    def __init__(self, topic: str, *, cluster: str) -> None:
        super().__init__(
            f"The topic {topic} is on the cluster {cluster!r}, which only the replicas of "
            "the inference use: use it by a Kafka client of your own."
        )


class TopicMissingError(ConflictError):
    """Something would be sent to a topic that is not there."""

    code = "topic-missing"
    title = "The topic does not exist"

    def __init__(self, topic: str) -> None:
        super().__init__(f"There is no topic {topic}. Make it, and send again.")


class NoModelsBeforeError(ConflictError):
    """An inference has nothing to roll back to."""

    code = "no-models-before"
    title = "There are no models to return to"

    def __init__(self, inference_id: int) -> None:
        super().__init__(
            f"The inference {inference_id} has had no other models that it could serve. "
            "Change them with PUT …/models."
        )


class DatasourceRejectedError(ConflictError):
    """A control message that breaks a rule cannot be sent again."""

    code = "datasource-rejected"
    title = "The datasource was rejected"

    def __init__(self, datasource_id: int, *, rejection: str) -> None:
        super().__init__(
            f"The datasource {datasource_id} cannot be sent: {rejection}. Announce the "
            "stream again with a corrected control message."
        )


class BodyTimeoutError(ApiError):
    """A body did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "body-timeout"
    title = "The body did not arrive in time"

    def __init__(self, *, seconds: float) -> None:
        super().__init__(f"It took longer than {seconds:g} s: send it again, and faster.")


class BodyTooLargeError(ApiError):
    """A body is larger than its route allows."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "body-too-large"
    title = "The body is too large"

    def __init__(self, *, max_bytes: int | None) -> None:
        limit = "this route allows" if max_bytes is None else f"{max_bytes} bytes"
        super().__init__(f"The body is larger than {limit}: send a smaller one.")


class DigestMismatchError(ApiError):
    """The bytes that came are not those that were announced."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "digest-mismatch"
    title = "The digest does not match"

    def __init__(self, *, announced: str, received: str) -> None:
        super().__init__(
            f"The header announces SHA-256 {announced}, the body has {received}: "
            "send the file again."
        )


class FormatInvalidError(ApiError):
    """A record format or its configuration is not usable."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "format-invalid"
    title = "The record format is not usable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Correct input_format and input_config: {reason}.")


class IdempotencyKeyReusedError(ApiError):
    """A key came again with another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency-key-reused"
    title = "The idempotency key was used for another request"

    def __init__(self) -> None:
        super().__init__("Send the same body as before, or a new Idempotency-Key.")


class InternalError(ApiError):
    """A mistake of ours; the log has the details."""

    def __init__(self) -> None:
        super().__init__("The API made a mistake; its log says more. Try again later.")


class UnavailableError(ApiError):
    """The API cannot serve now, and soon can."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    title = "The service is not available now"

    def __init__(self, what: str, *, retry_after: timedelta = timedelta(seconds=1)) -> None:
        seconds = max(1, round(retry_after.total_seconds()))
        super().__init__(
            f"{what}. Try again in {seconds} s.", headers={"Retry-After": str(seconds)}
        )


class NoReplicaError(UnavailableError):
    """An inference has no replica that answers over HTTP."""

    code = "no-replica"
    title = "No replica answers"

    def __init__(self, inference_id: int) -> None:
        super().__init__(
            f"No replica of the inference {inference_id} answers now",
            retry_after=timedelta(seconds=2),
        )


class StartupError(Exception):
    """The process must not start; the text says what to do."""


class SchemaOutdatedError(StartupError):
    """The database has another schema than the code."""

    def __init__(self, *, found: str | None, expected: str) -> None:
        super().__init__(
            f"The database has schema {found or 'none'}, this version needs {expected}: "
            "run kafkaml-migrate."
        )


class UndeclaredPermissionError(StartupError):
    """A route does not say who may call it."""

    def __init__(self, routes: Sequence[str]) -> None:
        super().__init__(f"No permission is declared for {', '.join(routes)}.")


class ReplicaFailedError(Exception):
    """One replica did not answer; another may."""


class RecordsRejectedError(Exception):
    """Kafka will never take these records as they are; the text says why."""


class TopicUnusableError(Exception):
    """Letters are for a topic that is not there or may not be written."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic
        super().__init__(f"the topic {topic} cannot be used: {reason}")
