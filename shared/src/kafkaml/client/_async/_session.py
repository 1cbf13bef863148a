"""Calls with retries, and their answers in shape."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from http import HTTPMethod
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import BaseModel

from kafkaml.client._answers import read, read_text, require_success
from kafkaml.client._async._runtime import Operation, call_blocking, sleep
from kafkaml.client._async._transport import AsyncOpenAnswer, AsyncTransport
from kafkaml.client._calls import (
    Answer,
    Call,
    QueryValue,
    creating_call,
    json_call,
    pairs,
)
from kafkaml.client._deadlines import Duration
from kafkaml.client._files import (
    BLOCK_BYTES,
    DIGEST_HEADER,
    PartialFile,
    headers_of,
    opened,
)
from kafkaml.client._retries import FailedTryError, Tries
from kafkaml.exceptions import ProblemError
from kafkaml.schemas.base import Page

T = TypeVar("T")
ShapeT = TypeVar("ShapeT", bound=BaseModel)


class AsyncSession:
    """What all groups of methods share."""

    def __init__(self, *, transport: AsyncTransport, retry_for: Duration) -> None:
        self._transport = transport
        self._retry_for = retry_for

    async def get(
        self, path: str, shape: type[ShapeT], query: Mapping[str, QueryValue] | None = None
    ) -> ShapeT:
        call = _get(path, query)
        return read(call, await self._send(call), shape)

    async def get_text(
        self, path: str, query: Mapping[str, QueryValue] | None = None
    ) -> str:
        return read_text(await self._send(_get(path, query)))

    async def pages(
        self,
        path: str,
        shape: type[Page[ShapeT]],
        query: Mapping[str, QueryValue] | None = None,
    ) -> AsyncIterator[ShapeT]:
        """Yield the items of a list; the next page is fetched when its turn comes."""
        cursor: str | None = None
        while True:
            page = await self.get(path, shape, {**(query or {}), "cursor": cursor})
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def create(self, path: str, body: BaseModel, shape: type[ShapeT]) -> ShapeT:
        """POST with an idempotency key: sent again, it is not done twice."""
        call = creating_call(path, body)
        return read(call, await self._send(call), shape)

    async def act(
        self,
        path: str,
        shape: type[ShapeT],
        body: BaseModel | None = None,
        *,
        method: HTTPMethod = HTTPMethod.POST,
        is_repeatable: bool = True,
    ) -> ShapeT:
        """Do something; `is_repeatable` if doing it twice is like doing it once."""
        call = json_call(method, path, body, is_repeatable=is_repeatable)
        return read(call, await self._send(call), shape)

    async def report(self, path: str, body: BaseModel) -> None:
        """POST something that may be told twice; nothing comes back."""
        await self._send(json_call(HTTPMethod.POST, path, body, is_repeatable=True))

    async def put_text(self, path: str, text: bytes) -> None:
        """Replace a text; it is sent as UTF-8."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        await self._send(
            Call(
                method=HTTPMethod.PUT,
                path=path,
                is_repeatable=True,
                headers=headers,
                body=text,
            )
        )

    async def delete(self, path: str) -> None:
        """Delete; gone at a second try, after a lost answer, is a success."""
        call = Call(method=HTTPMethod.DELETE, path=path, is_repeatable=True)
        tries = self.tries(call)
        try:
            await self._send(call, tries)
        except ProblemError as e:
            if e.problem.status != 404 or not tries.may_be_done:
                raise

    async def download(
        self, path: str, target: Path, query: Mapping[str, QueryValue] | None = None
    ) -> Path:
        """Write the answer's body to a file, which appears only when it is complete."""
        call = _get(path, query)

        async def save() -> Path:
            async with self._transport.stream(call) as answer:
                await _require_open_success(call, answer)
                with PartialFile(target) as file:
                    async for chunk in answer.chunks():
                        await call_blocking(file.write, chunk)
                    file.complete(answer.headers.get(DIGEST_HEADER.lower()))
            return target

        return await self._repeat(save, self.tries(call))

    async def upload(
        self,
        path: str,
        source: Path | BinaryIO,
        shape: type[ShapeT],
        *,
        retry_for: Duration | None = None,
    ) -> ShapeT:
        """PUT a file with its digest; it is read block by block, anew for each try.

        `retry_for` takes the place of the client's.
        """
        headers = await call_blocking(headers_of, source)
        call = Call(method=HTTPMethod.PUT, path=path, is_repeatable=True, headers=headers)

        async def put() -> Answer:
            return require_success(call, await self._transport.send(call, _blocks(source)))

        tries = self.tries(call, retry_for=retry_for)
        return read(call, await self._repeat(put, tries), shape)

    async def listen(self, call: Call, *, silence_seconds: float) -> AsyncGenerator[bytes]:
        """Yield an answer as it comes, without retries; a cut raises FailedTryError."""
        async with self._transport.stream(call, silence_seconds=silence_seconds) as answer:
            await _require_open_success(call, answer)
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk

    def tries(self, call: Call, *, retry_for: Duration | None = None) -> Tries:
        """Return the tries that a call has."""
        limit = self._retry_for if retry_for is None else retry_for
        return Tries(retry_for=limit, is_repeatable=call.is_repeatable)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _send(self, call: Call, tries: Tries | None = None) -> Answer:
        async def send() -> Answer:
            return require_success(call, await self._transport.send(call))

        return await self._repeat(send, tries or self.tries(call))

    @staticmethod
    async def _repeat(operation: Operation[T], tries: Tries) -> T:
        while True:
            try:
                return await operation()
            except FailedTryError as failure:
                pause = tries.pause_after(failure)
            await sleep(pause)


def _get(path: str, query: Mapping[str, QueryValue] | None = None) -> Call:
    return Call(
        method=HTTPMethod.GET, path=path, is_repeatable=True, query=pairs(query or {})
    )


async def _require_open_success(call: Call, answer: AsyncOpenAnswer) -> None:
    if not 200 <= answer.status < 300:
        require_success(call, await answer.read())


async def _blocks(source: Path | BinaryIO) -> AsyncIterator[bytes]:
    with opened(source) as file:
        while block := await call_blocking(file.read, BLOCK_BYTES):
            yield block
