"""Clients that are closed when their test ends."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest

from kafkaml.client import AsyncClient


class Connect(Protocol):
    """Takes what the client takes."""

    def __call__(
        self, url: str | None = None, *args: Any, **kwargs: Any
    ) -> AsyncClient: ...


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        def open_client(*args: Any, **kwargs: Any) -> AsyncClient:
            client = AsyncClient(*args, **kwargs)
            stack.push_async_exit(client)
            return client

        yield open_client
