"""Readings of a river: what four sensors say, and the nitrate that an analyser found."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

SENSORS = ("ALK_MGL", "COND_USCM", "PH", "SS_MGL")
NITRATE = "NO3_N_MGL"
# What can be read at most: alkalinity in mg/l, conductivity in uS/cm, pH, suspended solids
# and nitrate in mg/l. What is above comes from a fault, and would drown all others.
HIGHEST = np.array([1_000.0, 10_000.0, 14.0, 1_000.0, 100.0])


class DataError(Exception):
    """The readings cannot be used; the text says why."""


@dataclass(frozen=True)
class Readings:
    """One row for each reading, in the order in which they were taken.

    `sensors` is (n, 4), `nitrate` is (n,) in mg/l of nitrogen; `left_out` counts rows with
    a missing or an impossible value.
    """

    sensors: NDArray[np.float64]
    nitrate: NDArray[np.float64]
    left_out: int

    @classmethod
    def from_file(cls, path: Path, limit: int | None = None) -> Self:
        """Read a CSV file with a column for each sensor; raise DataError.

        `limit` is how many of its rows are looked at, from the first.
        """
        if not path.is_file():
            raise DataError(f"there is no file {path}")
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.reader(lines)
            columns = _columns(next(rows, []))
            table = np.array([_numbers(row, columns) for row in rows][:limit], np.float64)
        usable = _is_usable(table.reshape(-1, len(columns)))
        kept = table[usable]
        if not len(kept):
            raise DataError(f"{path} has no readings that can be used")
        return cls(kept[:, :-1], kept[:, -1], int((~usable).sum()))

    def to_records(self) -> list[dict[str, float]]:
        """Return the readings as the JSON objects that a gateway would send."""
        names = (*SENSORS, NITRATE)
        rows = np.column_stack([self.sensors, self.nitrate]).tolist()
        return [dict(zip(names, row, strict=True)) for row in rows]


def _columns(header: list[str]) -> list[int]:
    missing = [name for name in (*SENSORS, NITRATE) if name not in header]
    if missing:
        raise DataError(
            f"the columns {', '.join(missing)} are missing; there are {', '.join(header)}"
        )
    return [header.index(name) for name in (*SENSORS, NITRATE)]


def _numbers(row: list[str], columns: list[int]) -> list[float]:
    """Return the values of a row; NaN for one that is missing or no number."""
    return [_number(row[column]) if column < len(row) else np.nan for column in columns]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _is_usable(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say of each row whether all of it can have been read; NaN is in no range."""
    return np.asarray(((table >= 0) & (table <= HIGHEST)).all(axis=1), np.bool_)
