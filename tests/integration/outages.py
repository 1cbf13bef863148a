"""A way to the API that is cut at every kind of call, for a while and in every manner."""

import time
from collections.abc import Iterator
from typing import Literal

import httpx

Manner = Literal["before", "halfway", "after"]


class Outages(httpx.BaseTransport):
    """Begins an outage at the first calls of each kind that `plan` names.

    A call is cut `before` it reaches the API, `halfway` through its body, or `after` the
    API has done it, so that only the answer is lost. For `seconds` from then on nothing
    reaches the API.
    """

    def __init__(self, plan: dict[str, list[Manner]], *, seconds: float) -> None:
        self._real = httpx.HTTPTransport()
        self._plan = {kind: list(manners) for kind, manners in plan.items()}
        self._seconds = seconds
        self._until = 0.0
        self.begun: list[str] = []

    @property
    def left(self) -> dict[str, list[Manner]]:
        """What has not happened yet."""
        return {kind: manners for kind, manners in self._plan.items() if manners}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if time.monotonic() < self._until:
            raise httpx.ConnectError("the API is away")
        kind = f"{request.method} {request.url.path.rpartition('/')[2]}"
        manners = self._plan.get(kind)
        if not manners:
            return self._real.handle_request(request)
        manner = manners.pop(0)
        self.begun.append(f"{kind} {manner}")
        try:
            self._cut(request, manner)
        finally:
            self._until = time.monotonic() + self._seconds
        raise httpx.RemoteProtocolError("the answer is lost")

    def close(self) -> None:
        self._real.close()

    def _cut(self, request: httpx.Request, manner: Manner) -> None:
        if manner == "before":
            raise httpx.ConnectError("the API is away")
        if manner == "halfway":
            request = httpx.Request(
                request.method, request.url, headers=request.headers, stream=Half(request)
            )
        with_answer = self._real.handle_request(request)
        with_answer.read()
        with_answer.close()


class Half(httpx.SyncByteStream):
    """The first half of a body, and then the connection is gone."""

    def __init__(self, request: httpx.Request) -> None:
        self._stream = request.stream

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._stream, httpx.SyncByteStream)
        content = b"".join(self._stream)
        yield content[: len(content) // 2]
        raise httpx.WriteError("the connection is gone")
