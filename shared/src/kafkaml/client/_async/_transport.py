"""The one module that knows httpx: bytes to the API and back, errors made our own."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import TypeAlias

import httpx

from kafkaml.client._calls import Answer, Call
from kafkaml.client._retries import FailedTryError
from kafkaml.exceptions import ApiUnavailableError, ClientError

HttpTransport: TypeAlias = httpx.AsyncBaseTransport

# The API was not reached at all, so that it cannot have done anything.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_OUR_FAULT = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)


class AsyncOpenAnswer:
    """An answer whose body is still on its way."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = {name.lower(): text for name, text in response.headers.items()}

    async def read(self) -> Answer:
        """Read the rest of the body."""
        body = await self._response.aread()
        return Answer(status=self.status, headers=self.headers, body=body)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives."""
        async for chunk in self._response.aiter_bytes():
            yield chunk


class AsyncTransport:
    """Sends calls to one API. Every failed try ends in FailedTryError."""

    def __init__(
        self,
        *,
        url: str,
        token: str | None,
        timeout_seconds: float,
        transport: HttpTransport | None = None,
    ) -> None:
        headers = {"User-Agent": f"kafkaml/{version('kafkaml')}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._timeout_seconds = timeout_seconds
        try:
            self._http = httpx.AsyncClient(
                base_url=url, headers=headers, timeout=timeout_seconds, transport=transport
            )
        except httpx.InvalidURL as e:
            raise ClientError(f"{url!r} is not a URL: {e}") from e

    async def send(self, call: Call, content: AsyncIterator[bytes] | None = None) -> Answer:
        """Send a call, with its body or with streamed content; return the whole answer."""
        async with self.stream(call, content) as answer:
            return await answer.read()

    @asynccontextmanager
    async def stream(
        self,
        call: Call,
        content: AsyncIterator[bytes] | None = None,
        *,
        silence_seconds: float | None = None,
    ) -> AsyncIterator[AsyncOpenAnswer]:
        """Send a call; its answer may be read until the context ends.

        `silence_seconds` replaces the timeout for reading: how long no byte may come.
        """
        limits = httpx.Timeout(
            self._timeout_seconds, read=silence_seconds or self._timeout_seconds
        )
        with self._own_errors(call):
            async with self._http.stream(
                call.method,
                call.path,
                params=call.query or None,
                headers=call.headers,
                content=call.body if content is None else content,
                timeout=limits,
            ) as response:
                yield AsyncOpenAnswer(response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @contextmanager
    def _own_errors(self, call: Call) -> Iterator[None]:
        place = f"{call.method} {str(self._http.base_url).rstrip('/')}{call.path}"
        try:
            yield
        except (*_OUR_FAULT, httpx.InvalidURL) as e:
            raise FailedTryError(ClientError(f"{place} cannot be sent: {e}")) from e
        except httpx.TransportError as e:
            raise FailedTryError(
                ApiUnavailableError(f"{place} got no answer: {e or type(e).__name__}"),
                is_temporary=True,
                may_be_done=not isinstance(e, _NOT_SENT),
            ) from e
        except httpx.RequestError as e:
            raise FailedTryError(ClientError(f"{place} got no usable answer: {e}")) from e
