"""How large a batch may be, and how long to wait after a failure."""

import random


class BatchLimit:
    """Bounds batches by number and by the time that answering one took.

    A slow model must not keep the replica from Kafka until its group thinks it dead, nor
    from ending within its grace time.
    """

    def __init__(self, *, most_records: int, most_seconds: float) -> None:
        self.records = min(32, most_records)
        self._most_records = most_records
        self._most_seconds = most_seconds

    def learn(self, *, records: int, seconds: float) -> None:
        """Take into account that `records` took `seconds`."""
        if seconds > self._most_seconds:
            self.records = max(1, int(records * self._most_seconds / seconds))
        elif records >= self.records and seconds < self._most_seconds / 2:
            self.records = min(self._most_records, self.records * 2)


class Backoff:
    """Waits that double up to a limit, each shortened at random by up to a half."""

    def __init__(self, *, first_seconds: float = 0.2, most_seconds: float = 15.0) -> None:
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self._next_seconds = first_seconds

    def seconds(self) -> float:
        """Return how long to wait now."""
        now = self._next_seconds
        self._next_seconds = min(now * 2, self._most_seconds)
        return now * random.uniform(0.5, 1)  # noqa: S311 (no secret)

    def reset(self) -> None:
        """Begin again after a success."""
        self._next_seconds = self._first_seconds
