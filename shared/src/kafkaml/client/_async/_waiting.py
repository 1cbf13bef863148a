"""Waiting until something is so, by looking again and again."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from kafkaml.backoff import Backoff
from kafkaml.client._async._runtime import Operation, sleep
from kafkaml.client._deadlines import Deadline, Duration, seconds
from kafkaml.exceptions import WaitTimeoutError

T = TypeVar("T")

FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=2)


async def wait_until(
    look: Operation[T],
    is_over: Callable[[T], bool],
    *,
    timeout: Duration,  # noqa: ASYNC109  it ends in our own error, which says what was seen
    goal: str,
) -> T:
    """Look until `is_over`; return what was seen.

    Raise WaitTimeoutError, which names the goal, if that takes longer than `timeout`.
    """
    deadline = Deadline(timeout)
    backoff = Backoff(first=FIRST_PAUSE, longest=LONGEST_PAUSE)
    while not is_over(seen := await look()):
        if not deadline.seconds_left:
            raise WaitTimeoutError(f"{goal}: not so after {seconds(timeout):g} seconds")
        await sleep(min(backoff.next_delay(), deadline.seconds_left))
    return seen
