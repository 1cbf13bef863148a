"""How a replica is, for whoever asks."""

import threading
import time


class Health:
    """Whether the loop turns, and what keeps the replica from serving.

    It is stuck when it has not turned for `stuck_seconds`.
    """

    def __init__(self, *, stuck_seconds: float) -> None:
        self._stuck_seconds = stuck_seconds
        self._lock = threading.Lock()
        self._turned_at = time.monotonic()
        self._serving = False
        self._trouble: str | None = None

    def turned(self) -> None:
        """Note that the loop begins a pass."""
        with self._lock:
            self._turned_at = time.monotonic()

    def serving(self) -> None:
        """Note that the model is warm and the group joined."""
        with self._lock:
            self._serving = True

    def degraded(self, trouble: str) -> None:
        """Note what keeps records from being answered."""
        with self._lock:
            self._trouble = trouble

    def recovered(self) -> None:
        """Note that nothing does any more."""
        with self._lock:
            self._trouble = None

    @property
    def is_alive(self) -> bool:
        """Whether the loop made a pass not long ago."""
        with self._lock:
            return time.monotonic() - self._turned_at < self._stuck_seconds

    @property
    def trouble(self) -> str | None:
        """Why the replica is not ready, or None if it is."""
        with self._lock:
            return self._trouble if self._serving else "not serving yet"
