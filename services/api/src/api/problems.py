"""The one renderer of error answers: problem documents as RFC 9457 has them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from api.exceptions import (
    ApiError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    ValidationFailedError,
)
from kafkaml.schemas.problems import PROBLEM_TYPE_PREFIX, FieldError, Problem

MEDIA_TYPE = "application/problem+json"


def problem_response(error: ApiError, *, path: str) -> Response:
    """Return the answer for an error."""
    problem = Problem(
        type=PROBLEM_TYPE_PREFIX + error.code,
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=path,
        errors=list(error.errors),
    )
    return Response(
        problem.model_dump_json(),
        status_code=error.status,
        headers=error.headers,
        media_type=MEDIA_TYPE,
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of routes and of the framework a problem document."""
    app.add_exception_handler(ApiError, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    return problem_response(_as_api_error(request, error), path=request.url.path)


def _as_api_error(request: Request, error: Exception) -> ApiError:
    match error:
        case ApiError():
            return error
        case RequestValidationError():
            return ValidationFailedError(_field_errors(error.errors()))
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return NotFoundError("There is nothing at this path. See /docs.")
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            return MethodNotAllowedError(
                method=request.method, allowed=_methods_of(request)
            )
        case HTTPException(status_code=HTTPStatus.BAD_REQUEST):
            return ValidationFailedError.at("body", "it cannot be read")
    return InternalError()


def _methods_of(request: Request) -> str:
    """Return the methods that the path has, for every method is a route of its own."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(request.url.path):
            methods.update(route.methods or ())
    return ", ".join(sorted(methods))


def _field_errors(errors: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    return [
        FieldError(
            location=".".join(str(part) for part in each["loc"])[:500],
            message=str(each["msg"]).removeprefix("Value error, "),
        )
        for each in errors[:100]
    ]
