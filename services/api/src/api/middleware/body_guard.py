"""What a body must be before a route sees it: of a sound size, timely, strict JSON."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.exceptions import (
    ApiError,
    BodyTimeoutError,
    BodyTooLargeError,
    ValidationFailedError,
)
from api.problems import problem_response
from kafkaml.schemas.problems import FieldError

MEBIBYTE = 1024 * 1024
DEFAULT_LIMIT_BYTES = MEBIBYTE
TIMEOUT = timedelta(seconds=60)

_JSON = re.compile(r"application/([a-z0-9.+-]+\+)?json\s*(;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes that a body may have, by method and path; None: the route cares.

    `endings` are by the last part of the path, where an id is in it.
    """

    default: int = DEFAULT_LIMIT_BYTES
    endings: Mapping[tuple[str, str], int] = field(default_factory=dict)
    special: Mapping[tuple[str, str], int | None] = field(default_factory=dict)

    def of(self, method: str, path: str) -> int | None:
        ending = self.endings.get((method, path.rpartition("/")[2]), self.default)
        return self.special.get((method, path), ending)


class BodyGuard:
    """Reads bodies, except those that a route streams, and refuses what is not sound.

    JSON is parsed strictly: UTF-8, no NaN or infinity, no lone surrogates, no NUL.
    The route gets what was parsed, written anew, so that it cannot be read in two ways.
    """

    def __init__(self, app: ASGIApp, *, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(headers := Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        limit = self._limits.of(scope["method"], scope["path"])
        if limit is None:
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(receive, headers, limit)
            if _JSON.match(headers.get("content-type", "")) and body:
                body = _strict_json(body)
        except ApiError as e:
            await problem_response(e, path=scope["path"])(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _read(receive: Receive, headers: Headers, limit: int) -> bytes:
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLargeError(max_bytes=limit)
    try:
        async with asyncio.timeout(TIMEOUT.total_seconds()):
            return await _read_chunks(receive, limit)
    except TimeoutError as e:
        raise BodyTimeoutError(seconds=TIMEOUT.total_seconds()) from e


async def _read_chunks(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise BodyTooLargeError(max_bytes=limit)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _strict_json(body: bytes) -> bytes:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as e:
        raise ValidationFailedError.at("body", f"it is not JSON: {e}") from e
    errors = [FieldError(location=place, message=text) for place, text in _nul_in(parsed)]
    if errors:
        raise ValidationFailedError(errors[:100])
    return orjson.dumps(parsed)


def _nul_in(parsed: Any) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[str, Any]] = [("body", parsed)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            if "\x00" in value:
                yield place, "the text must not contain NUL characters"
        elif isinstance(value, list):
            waiting.extend((f"{place}.{i}", each) for i, each in enumerate(value))
        elif isinstance(value, dict):
            if any("\x00" in name for name in value):
                yield place, "names must not contain NUL characters"
            waiting.extend((f"{place}.{name}", each) for name, each in value.items())


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
