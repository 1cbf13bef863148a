"""When a call that failed is sent again, and after which pause."""

from kafkaml.backoff import Backoff
from kafkaml.client._deadlines import Deadline, Duration
from kafkaml.exceptions import ClientError


class FailedTryError(Exception):
    """One try of a call failed; `error` is what the caller sees if it was the last one.

    `may_be_done` says that the API may have done what was asked although no answer came.
    """

    def __init__(
        self,
        error: ClientError,
        *,
        is_temporary: bool = False,
        may_be_done: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.error = error
        self.is_temporary = is_temporary
        self.may_be_done = may_be_done
        self.retry_after_seconds = retry_after_seconds
        super().__init__(str(error))


class Tries:
    """The tries of one call, which is given up `retry_for` after its first failure."""

    def __init__(self, *, retry_for: Duration, is_repeatable: bool) -> None:
        self._retry_for = retry_for
        self._is_repeatable = is_repeatable
        self._backoff = Backoff()
        self._deadline: Deadline | None = None
        self.may_be_done = False

    def succeed(self) -> None:
        """Forget the failures so far: a later one is the first again."""
        self._backoff.reset()
        self._deadline = None

    def pause_after(self, failure: FailedTryError) -> float:
        """Return the seconds to wait before the next try.

        Raise the error behind the failure if there is to be none.
        """
        self._deadline = self._deadline or Deadline(self._retry_for)
        self.may_be_done = self.may_be_done or failure.may_be_done
        is_safe = self._is_repeatable or not failure.may_be_done
        pause = max(self._backoff.next_delay(), failure.retry_after_seconds or 0.0)
        if failure.is_temporary and is_safe and pause < self._deadline.seconds_left:
            return pause
        raise failure.error from failure.__cause__
