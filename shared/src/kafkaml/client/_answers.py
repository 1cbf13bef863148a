"""What an answer means: the thing asked for, or which error."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from kafkaml.client._calls import Answer, Call
from kafkaml.client._retries import FailedTryError
from kafkaml.exceptions import ApiUnavailableError, ClientError, ProblemError
from kafkaml.schemas.problems import Problem

ShapeT = TypeVar("ShapeT", bound=BaseModel)

LATER = frozenset({429, 502, 503, 504})
EXCERPT_CHARACTERS = 200


def require_success(call: Call, answer: Answer) -> Answer:
    """Return the answer if it is a success, else raise FailedTryError."""
    if 200 <= answer.status < 300:
        return answer
    problem = _problem_of(answer)
    if answer.status in LATER:
        text = problem.to_text() if problem else _refusal(call, answer)
        raise FailedTryError(
            ApiUnavailableError(text),
            is_temporary=True,
            # A rate limit is told before anything is done; the others may come from a
            # proxy that lost the answer.
            may_be_done=answer.status != HTTPStatus.TOO_MANY_REQUESTS,
            retry_after_seconds=_retry_after(answer),
        )
    raise FailedTryError(
        ProblemError(problem) if problem else ClientError(_refusal(call, answer))
    )


def read(call: Call, answer: Answer, shape: type[ShapeT]) -> ShapeT:
    """Return the answer's body in its shape; raise ClientError if it has another one.

    Fields that this version does not know are left out, in request shapes too.
    """
    try:
        return shape.model_validate_json(answer.body, extra="ignore")
    except ValidationError as e:
        first = e.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise ClientError(
            f"{call} was answered with something that is no {shape.__name__}: "
            f"{where}: {first['msg']}; is this the API of Kafka-ML? {_excerpt(answer)}"
        ) from e


def read_text(answer: Answer) -> str:
    """Return the answer's body as text; bytes that are no UTF-8 are marked."""
    return answer.body.decode(errors="replace")


def _problem_of(answer: Answer) -> Problem | None:
    try:
        return Problem.model_validate_json(answer.body)
    except ValidationError:
        return None


def _refusal(call: Call, answer: Answer) -> str:
    location = answer.headers.get("location")
    hint = f" and points to {location}" if location else ""
    return (
        f"{call} was answered with status {answer.status}{hint}, without a problem "
        f"document; is this the API of Kafka-ML? {_excerpt(answer)}"
    )


def _excerpt(answer: Answer) -> str:
    text = " ".join(read_text(answer).split())
    if not text:
        return "The body is empty."
    short = text[:EXCERPT_CHARACTERS]
    return f"The body: {short}{'…' if len(text) > len(short) else ''}"


def _retry_after(answer: Answer) -> float | None:
    """Return the seconds that the API asks to wait; it names them or a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
