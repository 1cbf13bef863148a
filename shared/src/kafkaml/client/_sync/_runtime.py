"""What differs between the synchronous and the asynchronous client, beyond `await`.

This file and its sibling in `_async` are the only ones that are written twice.
"""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeAlias, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

Operation: TypeAlias = Callable[[], T]
"""Something that can be done again."""

sleep = time.sleep


def call_blocking(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that blocks."""
    return function(*args, **kwargs)
