"""Applies many actions at once, without one kind keeping another one waiting."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from orchestrator.actions import Action, StartReplica, UploadLog
from orchestrator.ledger import Slot

STARTS_AT_ONCE = 16
UPLOADS_AT_ONCE = 8
OTHERS_AT_ONCE = 16


@dataclass(slots=True)
class Outcome:
    """What became of the actions of one pass.

    Postponed ones had no turn; what is in neither list is still being done, or was not
    tried because what it builds on failed.
    """

    done: list[Action] = field(default_factory=list)
    failed: list[Action] = field(default_factory=list)
    postponed: list[Action] = field(default_factory=list)


class Lanes:
    """Bounds how many actions of one kind are applied at once.

    Starts, logs and all else have a lane each: so what is to end is stopped at once,
    however many starts there are, and logs that cannot be read only delay logs.
    """

    def __init__(self, attempt: Callable[[Action], Awaitable[bool]]) -> None:
        self._attempt = attempt
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._others = asyncio.Semaphore(OTHERS_AT_ONCE)
        self._begun: set[Slot] = set()
        self._unfinished: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> frozenset[Slot]:
        """Return the slots with which something is being done."""
        return frozenset(self._begun)

    async def run(self, groups: Iterable[Sequence[Action]], patience: timedelta) -> Outcome:
        """Apply groups of actions, each in order up to the first that fails.

        A group is what is to be done with one slot that is not busy; those given first
        begin first. After `patience` no group is begun any more, and those that have begun
        go on behind the caller's back, with their slots `busy`.
        """
        outcome = Outcome()
        tasks = {
            asyncio.create_task(self._run_group(group, outcome)): group for group in groups
        }
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=patience.total_seconds())
        finally:
            for task, group in tasks.items():
                if task.done():
                    continue
                if group[0].slot in self._begun:
                    self._unfinished.add(task)
                    task.add_done_callback(self._unfinished.discard)
                else:
                    task.cancel()
                    outcome.postponed += group
        return outcome

    async def finish(self, grace: timedelta) -> None:
        """Wait for what has begun, and give up what does not end in time."""
        if self._unfinished:
            _, pending = await asyncio.wait(self._unfinished, timeout=grace.total_seconds())
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _run_group(self, group: Sequence[Action], outcome: Outcome) -> None:
        slot = group[0].slot
        try:
            for action in group:
                async with self._lane(action):
                    self._begun.add(slot)
                    is_done = await self._attempt(action)
                if not is_done:
                    outcome.failed.append(action)
                    return
                outcome.done.append(action)
        finally:
            self._begun.discard(slot)

    def _lane(self, action: Action) -> asyncio.Semaphore:
        match action:
            case StartReplica():
                return self._starts
            case UploadLog():
                return self._uploads
            case _:
                return self._others
