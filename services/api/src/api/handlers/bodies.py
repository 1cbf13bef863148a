"""Bodies that are not JSON."""

from typing import Annotated, Any

from fastapi import Header, Query
from fastapi.responses import Response, StreamingResponse

from api.services.files import Download
from kafkaml.schemas.trainings import ArtifactFormat

OCTET_STREAM = "application/octet-stream"
PLAIN_TEXT = "text/plain"

SHA256_HEADER = "X-Content-SHA256"
Sha256Header = Annotated[
    str,
    Header(
        alias=SHA256_HEADER,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the body, in lower-case hexadecimal digits",
    ),
]
WantedFormat = Annotated[ArtifactFormat, Query(alias="format")]


def binary_body(media_type: str) -> dict[str, Any]:
    """Return how OpenAPI describes a body that the route reads itself."""
    schema = {"type": "string", "format": "binary"}
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def binary_answer(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes an answer that is not JSON."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": "The bytes", "content": {media_type: {"schema": schema}}}}


def artifact_answer(download: Download, *, name: str) -> Response:
    """Return an artifact as a file to be saved."""
    return StreamingResponse(
        download.chunks,
        media_type=OCTET_STREAM,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(download.artifact.size_bytes),
            SHA256_HEADER: download.artifact.sha256,
        },
    )


def text_answer(text: bytes) -> Response:
    """Return a log; what a program wrote is never taken for a page."""
    return Response(
        text,
        media_type=PLAIN_TEXT,
        headers={"X-Content-Type-Options": "nosniff"},
    )
