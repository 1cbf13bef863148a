"""Calls and answers as plain data: what goes to the API and what comes back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPMethod
from typing import ParamSpec, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from kafkaml.exceptions import ProblemError
from kafkaml.schemas.problems import PROBLEM_TYPE_PREFIX, FieldError, Problem

P = ParamSpec("P")
ShapeT = TypeVar("ShapeT", bound=BaseModel)

PREFIX = "/api/v1"
JSON = "application/json"

QueryValue: TypeAlias = str | int | Iterable[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API.

    `is_repeatable` says that doing it twice leaves the same as doing it once, so that it
    may be sent again when its answer was lost.
    """

    method: HTTPMethod
    path: str
    is_repeatable: bool
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def place(*segments: str | int) -> str:
    """Return the path of a resource from its parts."""
    return "/".join([PREFIX, *(quote(str(each), safe="") for each in segments)])


def pairs(query: Mapping[str, QueryValue]) -> tuple[tuple[str, str], ...]:
    """Return query parameters one by one: a list repeats its name, None leaves it out."""
    found: list[tuple[str, str]] = []
    for name, value in query.items():
        if isinstance(value, str | int):
            found.append((name, str(value)))
        elif value is not None:
            found.extend((name, each) for each in value)
    return tuple(found)


def json_call(
    method: HTTPMethod,
    path: str,
    body: BaseModel | None,
    *,
    is_repeatable: bool,
    headers: Mapping[str, str] | None = None,
) -> Call:
    """Return a call with a JSON body; fields at their default are left to the API."""
    if body is None:
        return Call(
            method=method, path=path, is_repeatable=is_repeatable, headers=headers or {}
        )
    return Call(
        method=method,
        path=path,
        is_repeatable=is_repeatable,
        headers={"Content-Type": JSON, **(headers or {})},
        body=body.model_dump_json(exclude_defaults=True).encode(),
    )


def creating_call(path: str, body: BaseModel | None) -> Call:
    """Return a POST with a new idempotency key: sent again, it is not done twice."""
    return json_call(
        HTTPMethod.POST,
        path,
        body,
        is_repeatable=True,
        headers={"Idempotency-Key": str(uuid4())},
    )


def build(shape: Callable[P, ShapeT], /, *args: P.args, **fields: P.kwargs) -> ShapeT:
    """Make a request body.

    Raise ProblemError with the code `validation-failed` if a rule is broken: the same error
    as if the API had refused it.
    """
    try:
        return shape(*args, **fields)
    except ValidationError as e:
        raise ProblemError(_problem_of(e)) from e


def _problem_of(error: ValidationError) -> Problem:
    errors = [
        FieldError(
            location=".".join(["body", *(str(part) for part in each["loc"])]),
            message=each["msg"].removeprefix("Value error, "),
        )
        for each in error.errors(include_url=False, include_context=False)
    ]
    places = ", ".join(each.location for each in errors[:5])
    return Problem(
        type=f"{PROBLEM_TYPE_PREFIX}validation-failed",
        title="The request is not valid",
        status=422,
        detail=f"Correct {places} and send it again.",
        errors=errors,
    )
