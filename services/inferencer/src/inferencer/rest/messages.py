"""What is asked over HTTP, and what is answered."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self

import orjson

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request whose body has been read; `path` has no query."""

    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer, ready to be written."""

    status: HTTPStatus
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: object, *, status: HTTPStatus = HTTPStatus.OK) -> Self:
        """Return an answer in JSON; numbers that are not finite become null."""
        body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        return cls(status, body)

    @classmethod
    def error(cls, status: HTTPStatus, message: str, **headers: str) -> Self:
        """Return an error in the form of the Open Inference Protocol."""
        return cls(status, orjson.dumps({"error": message}), headers=headers)

    @classmethod
    def text(cls, status: HTTPStatus, body: bytes) -> Self:
        """Return an answer in plain text."""
        return cls(status, body, PLAIN)
