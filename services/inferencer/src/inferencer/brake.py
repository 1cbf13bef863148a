"""What keeps a replica from turning a whole stream into dead letters."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from inferencer.dead_letters import DeadLetterWriter
from inferencer.exceptions import DeliveryError
from kafkaml.schemas.attempts import InferenceOrder, PauseReport
from kafkaml.schemas.dead_letters import DeadLetterLimit

log = structlog.get_logger()


class DeadLetterRate:
    """The share of dead letters among the last records, counted by batches."""

    def __init__(self, *, window_records: int) -> None:
        self._window_records = window_records
        self._batches: deque[tuple[int, int]] = deque()
        self.records = 0
        self.letters = 0

    def add(self, *, records: int, letters: int) -> None:
        """Count a batch, and forget those that the window does not need any more."""
        self._batches.append((records, letters))
        self.records += records
        self.letters += letters
        while self.records - self._batches[0][0] >= self._window_records:
            oldest_records, oldest_letters = self._batches.popleft()
            self.records -= oldest_records
            self.letters -= oldest_letters

    def reaches(self, rate: float) -> bool:
        """Say whether the window is full and has so many dead letters."""
        return self.records >= self._window_records and self.letters >= rate * self.records

    def reset(self) -> None:
        """Begin with an empty window."""
        self._batches.clear()
        self.records = self.letters = 0


class Brake:
    """Is on from too many dead letters, here or at another replica, until a resumption.

    The stream asks and tells it; `heed` may be called by another thread.
    """

    def __init__(
        self,
        *,
        order: InferenceOrder,
        dead_letters: DeadLetterWriter,
        report: Callable[[PauseReport], None],
    ) -> None:
        limit = order.dead_letter_limit
        self._rate = limit.rate if limit else None
        self._window = DeadLetterRate(
            window_records=(limit or DeadLetterLimit()).window_records
        )
        self._dead_letters = dead_letters
        self._counted = 0
        self._report = report
        self._lock = threading.Lock()
        self._is_on = order.is_paused
        self._resumptions = order.resumptions

    @property
    def is_on(self) -> bool:
        """Whether no records are to be taken."""
        return self._is_on

    @contextmanager
    def watch(self, *, records: int) -> Iterator[None]:
        """Learn how many of a batch become dead letters; one that fails does not count."""
        try:
            yield
        except DeliveryError:
            self._counted = self._dead_letters.written
            raise
        letters = min(records, self._dead_letters.written - self._counted)
        self._counted = self._dead_letters.written
        with self._lock:
            self._window.add(records=records, letters=letters)
            if self._rate is None or not self._window.reaches(self._rate) or self._is_on:
                return
            self._is_on = True
            report = PauseReport(
                reason=self._reason(self._rate), resumptions=self._resumptions
            )
        log.error("paused: too many dead letters", reason=report.reason)
        self._report(report)

    def heed(self, order: InferenceOrder) -> None:
        """Follow what the API knows: of another replica's pause, and of a resumption."""
        with self._lock:
            if order.resumptions > self._resumptions:
                self._resumptions = order.resumptions
                self._window.reset()
                self._is_on = order.is_paused
                log.info("told to resume")
            elif order.is_paused and not self._is_on:
                self._is_on = True
                log.warning("paused, as another replica is")

    def _reason(self, rate: float) -> str:
        return (
            f"{self._window.letters} of the last {self._window.records} records became "
            f"dead letters, and the limit is {rate:g} of them. The last one: "
            f"{self._dead_letters.newest}"
        )
