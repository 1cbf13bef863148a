"""Where the time of an attempt goes."""

from time import monotonic


class Stopwatch:
    """Seconds between named moments; the first, `start`, is when it was made."""

    def __init__(self) -> None:
        self._moments = {"start": monotonic()}

    def mark(self, moment: str) -> None:
        """Remember this moment; marked again, it stays as it was."""
        self._moments.setdefault(moment, monotonic())

    def between(self, first: str, second: str) -> float:
        """Return the seconds between two moments; 0 if the second was never marked."""
        return self._moments.get(second, self._moments[first]) - self._moments[first]
