"""One subscriber of the events: what it wants, and what waits for it."""

import asyncio
from collections import deque
from dataclasses import dataclass

from api.services.event_cursor import EventCursor
from api.services.event_log import LoggedEvent

MAX_WAITING = 1000


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a subscriber wants; an empty set admits all."""

    subjects: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()

    def admits(self, event: LoggedEvent) -> bool:
        """Return whether the event is wanted."""
        return (not self.subjects or event.subject in self.subjects) and (
            not self.types or event.type in self.types
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event and where to resume after it; the first one is the position alone."""

    cursor: EventCursor
    event: LoggedEvent | None = None


class Subscription:
    """The events that wait for one subscriber, at most `MAX_WAITING`."""

    def __init__(self, event_filter: EventFilter) -> None:
        self._filter = event_filter
        self._waiting: deque[LoggedEvent] = deque()
        self._changed = asyncio.Event()
        self._ended = False

    def wants(self, event: LoggedEvent) -> bool:
        """Return whether the subscriber asked for such events."""
        return self._filter.admits(event)

    def offer(self, event: LoggedEvent) -> None:
        """Queue an event if it is wanted; a subscriber that is too slow is ended."""
        if self._ended or not self.wants(event):
            return
        if len(self._waiting) == MAX_WAITING:
            self.end()
            return
        self._waiting.append(event)
        self._changed.set()

    def end(self) -> None:
        """Take no more events; those that wait are still handed out."""
        self._ended = True
        self._changed.set()

    async def next(self) -> LoggedEvent | None:
        """Return the next event; None when it has ended and nothing waits."""
        while not self._waiting:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
