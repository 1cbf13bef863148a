"""What differs between the asynchronous and the synchronous client, beyond `await`.

This file and its sibling in `_sync` are the only ones that are written twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Operation: TypeAlias = Callable[[], Awaitable[T]]
"""Something that can be done again."""

sleep = asyncio.sleep
call_blocking = asyncio.to_thread
