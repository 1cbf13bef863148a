"""How a batch of any size is made of calls of fixed sizes."""

from collections.abc import Mapping
from functools import lru_cache


class BucketPlanner:
    """Finds the cheapest calls for a batch, from what one call of each size takes.

    A call may be given fewer rows than it has room for, for the same price.
    """

    def __init__(self, seconds: Mapping[int, float]) -> None:
        """Take the seconds of one call by its number of rows."""
        self._seconds = dict(seconds)
        self._largest = max(seconds)
        self._thriftiest = min(seconds, key=lambda size: (seconds[size] / size, -size))
        self._cost, self._first = self._tabulate(2 * self._largest)
        self.plan = lru_cache(maxsize=4096)(self._plan)

    @property
    def sizes(self) -> frozenset[int]:
        """The sizes that any plan uses; the others are never worth their price."""
        return frozenset({self._thriftiest, *self._first[1:]})

    def seconds(self, rows: int) -> float:
        """Return what a batch takes."""
        return sum(self._seconds[size] for size in self.plan(rows))

    def _plan(self, rows: int) -> tuple[int, ...]:
        """Return the sizes of the calls that together hold `rows` rows."""
        many = 0
        if rows > 2 * self._largest:
            # Beyond the table, the size with the cheapest row is taken as often as leaves
            # a rest that the table knows.
            many = -(-(rows - 2 * self._largest) // self._thriftiest)
            rows -= many * self._thriftiest
        rest: list[int] = []
        while rows > 0:
            rest.append(self._first[rows])
            rows -= rest[-1]
        return (self._thriftiest,) * many + tuple(sorted(rest, reverse=True))

    def _tabulate(self, most: int) -> tuple[list[float], list[int]]:
        """Return the least cost of every number of rows, and a call to begin with."""
        cost, first = [0.0], [0]
        for rows in range(1, most + 1):
            # Of equal prices the larger call, for there are fewer of them.
            price, negative = min(
                (seconds + cost[max(0, rows - size)], -size)
                for size, seconds in self._seconds.items()
            )
            cost.append(price)
            first.append(-negative)
        return cost, first
