"""The request itself is at fault."""

from collections.abc import Sequence
from http import HTTPStatus

from api.exceptions.base import ApiError
from kafkaml.schemas.problems import FieldError
from kafkaml.schemas.tokens import Scope

BEARER_CHALLENGE = 'Bearer realm="kafka-ml"'


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
