"""What came of each fault, as a table at the end of the run."""

import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

OUTCOME_WIDTH = 100


@dataclass
class Row:
    """One fault; its time runs from `begin`, or from when the row was made."""

    fault: str
    outcome: str = "FAILED"
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0

    def begin(self) -> None:
        self.began = time.monotonic()

    def end(self, outcome: str) -> None:
        """Note what came of it, and how long that took."""
        self.outcome = outcome
        self.seconds = time.monotonic() - self.began


@dataclass
class FaultTable:
    """One row for each fault, in their order."""

    rows: list[Row] = field(default_factory=list)

    @contextmanager
    def fault(self, name: str) -> Iterator[Row]:
        row = Row(name)
        self.rows.append(row)
        yield row

    def lines(self) -> list[str]:
        width = max((len(row.fault) for row in self.rows), default=0)
        return [
            f"{row.fault:{width}}  {row.seconds:6.1f} s  "
            + textwrap.shorten(row.outcome, OUTCOME_WIDTH, placeholder=" …")
            for row in self.rows
        ]
