"""How a service is told to end."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` in the running loop on the first SIGTERM or SIGINT.

    Later ones change nothing, not even while the process is on its way out: handlers of the
    loop itself would be gone by then, and the process would end as if it had been killed.
    """
    loop = asyncio.get_running_loop()

    def first(_number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, _nothing)
        loop.call_soon_threadsafe(stop)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, first)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; unlike SIG_IGN, this is not passed on to child processes."""
