"""What the documentation says: the pipeline in order, and every answer that is an error."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE
from kafkaml.schemas.problems import Problem

DESCRIPTION = """\
Kafka-ML takes a Keras model through its life on data streams. The steps, in order:

1. **models** - create a model from its Python source.
2. **configurations** - group models that are trained on the same stream.
3. **deployments** - deploy a configuration: each model gets a training.
4. Send records to a Kafka topic, then announce them by a control message; **datasources**
   keeps the announcement, and can send it to another deployment.
5. **trainings** - follow the curves, compare the results, download the model.
6. **inferences** - serve a finished training from one topic to another.

Press *Authorize* and paste a token first. Lists are newest first; pass `next_cursor` as
`cursor` for the next page. A creating call with the header `Idempotency-Key` can be
repeated without harm. Every error is a problem document (RFC 9457) whose `type` is stable.
"""

TAGS: Final = [
    {"name": "models", "description": "Python source that makes a Keras model"},
    {"name": "configurations", "description": "Models that are trained on one stream"},
    {"name": "deployments", "description": "A configuration, waiting for its stream"},
    {"name": "datasources", "description": "Recorded announcements of streams"},
    {"name": "trainings", "description": "One model being trained, and its result"},
    {"name": "inferences", "description": "A finished training that answers a stream"},
    {"name": "events", "description": "What happens, as it happens"},
    {"name": "tokens", "description": "Who may do what"},
    {"name": "workloads", "description": "For the orchestrator"},
    {"name": "attempts", "description": "For trainers and inferencers"},
    {"name": "health", "description": "For those who watch the process"},
]

_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def describe_problems(app: FastAPI) -> None:
    """Make the OpenAPI document say which problems each operation answers with."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        tags=app.openapi_tags,
        routes=app.routes,
    )
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(_problem_schemas())
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                _add_problems(operation, path=path, method=method)
    return document


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def _add_problems(operation: dict[str, Any], *, path: str, method: str) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status, description in _problems_of(operation, path=path, method=method):
        responses.setdefault(status, _problem(description))


def _problems_of(
    operation: dict[str, Any], *, path: str, method: str
) -> Iterator[tuple[str, str]]:
    if operation.get("security"):
        yield "401", "No token, or one that is not valid"
        yield "403", "The token does not allow this"
    if "{" in path or "attempts" in path:
        yield "404", "There is no such thing"
    if method != "get" or "attempts" in path or "artifact" in path or "matrix" in path:
        yield "409", "It does not fit the present state"
    if "requestBody" in operation:
        yield "408", "The body did not arrive in time"
        yield "413", "The body is too large"
    if "requestBody" in operation or operation.get("parameters"):
        yield "422", "The request is not valid"
    yield "500", "The API made a mistake"
    yield "503", "The API cannot serve now: try again after the time of Retry-After"


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
