"""Waiting between attempts: longer each time, never in step, and cut short by a stop."""

import asyncio
import random
from datetime import timedelta


class Backoff:
    """Delays that double up to a limit; each is drawn from half of its length upwards."""

    def __init__(
        self,
        *,
        first: timedelta = timedelta(milliseconds=200),
        longest: timedelta = timedelta(seconds=10),
    ) -> None:
        self._first = first.total_seconds()
        self._longest = longest.total_seconds()
        self._ceiling = self._first

    def reset(self) -> None:
        """Begin with the first delay again: an attempt went well."""
        self._ceiling = self._first

    def next_delay(self) -> float:
        """Return the seconds to wait now."""
        ceiling = self._ceiling
        self._ceiling = min(self._longest, 2 * ceiling)
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load only


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so long; return whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
