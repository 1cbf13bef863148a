"""The numbers of the pods of sets, which Kubernetes does not number."""

from collections.abc import Collection, Sequence
from itertools import count

from orchestrator.executors.kubernetes.resources import Manifest


class PodNumbers:
    """Numbers pods from 0: a new one gets the lowest free number, and keeps it.

    They live in memory only; after a restart the oldest pod is number 0.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {}

    def assign(self, name: str, pods: Sequence[Manifest]) -> list[int]:
        """Return the numbers of a set's pods, which are in order of their age."""
        uids = [pod["metadata"]["uid"] for pod in pods]
        before = self._numbers.get(name, {})
        numbers = {uid: before[uid] for uid in uids if uid in before}
        for uid in uids:
            if uid not in numbers:
                numbers[uid] = lowest_free(numbers.values())
        self._numbers[name] = numbers
        return [numbers[uid] for uid in uids]

    def keep_only(self, names: set[str]) -> None:
        """Drop what is about sets that are gone."""
        self._numbers = {name: it for name, it in self._numbers.items() if name in names}


def lowest_free(numbers: Collection[int]) -> int:
    """Return the lowest number from 0 that is not taken."""
    return next(number for number in count() if number not in numbers)
