"""The patients of the Exasens data set with and without COPD, as the paper used them."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("Diagnosis", "Gender", "Age", "Smoking")
# As Exasens names them, and as the paper's extract does. Its two other groups, asthma
# and infected, take no part.
DIAGNOSES = {"COPD": True, "1": True, "HC": False, "0": False}
CLASSES = ("healthy", "COPD")
EXASENS_ID = 523

DATA_SCHEMA = {
    "type": "record",
    "namespace": "kafkaml.examples.copd",
    "name": "Patient",
    "fields": [{"name": name, "type": "float"} for name in ("gender", "age", "smoking")],
}
LABEL_SCHEMA = {
    "type": "record",
    "namespace": "kafkaml.examples.copd",
    "name": "Label",
    "fields": [{"name": "diagnosis", "type": "boolean"}],
}


class DataError(Exception):
    """There are no patients to be had; the text says what to do."""


@dataclass(frozen=True)
class Patients:
    """One row for each patient, in the order of the file.

    `features` is (n, 3) float32: gender, age and smoking, each with mean 0 and deviation 1;
    `diagnoses` is (n,) bool: COPD or healthy.
    """

    features: NDArray[np.float32]
    diagnoses: NDArray[np.bool_]

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read `Exasens.csv`, or an extract with its columns; raise DataError."""
        if not path.is_file():
            raise DataError(f"there is no file {path}")
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return cls.from_rows(csv.DictReader(lines))

    @classmethod
    def fetched(cls) -> Self:
        """Get Exasens from the UCI repository; raise DataError."""
        try:
            from ucimlrepo import fetch_ucirepo
        except ImportError as e:
            raise DataError(
                "name the file by --data, or install ucimlrepo, which fetches it: "
                "https://archive.ics.uci.edu/dataset/523/exasens"
            ) from e
        try:
            frame = fetch_ucirepo(id=EXASENS_ID).data.original
        except Exception as e:
            raise DataError(f"ucimlrepo could not fetch Exasens: {e}") from e
        known = [name for name in COLUMNS if name in frame.columns]
        return cls.from_rows(frame[known].astype(str).to_dict(orient="records"))

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Take the rows of both groups; raise DataError if one cannot be read."""
        features, diagnoses = [], []
        for number, row in enumerate(rows, start=1):
            _check_columns(row)
            diagnosis = row["Diagnosis"].strip()
            if diagnosis in DIAGNOSES:
                features.append(_numbers(row, number))
                diagnoses.append(DIAGNOSES[diagnosis])
        if len(set(diagnoses)) < len(CLASSES):
            raise DataError(
                f"{len(diagnoses)} rows have a diagnosis of {', '.join(DIAGNOSES)}, "
                "and not both groups are among them"
            )
        return cls(_standardised(np.asarray(features)), np.asarray(diagnoses, np.bool_))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["features"], arrays["diagnoses"])

    def save(self, path: Path) -> Path:
        """Write the arrays to an `.npz` file; return its path."""
        np.savez(path, features=self.features, diagnoses=self.diagnoses)
        return path

    def counts(self, part: slice = slice(None)) -> tuple[int, int]:
        """Return how many of some rows are healthy, and how many have COPD."""
        ill = int(self.diagnoses[part].sum())
        return len(self.diagnoses[part]) - ill, ill


def _check_columns(row: Mapping[str, Any]) -> None:
    missing = [name for name in COLUMNS if row.get(name) is None]
    if missing:
        found = ", ".join(str(name) for name in row)
        raise DataError(f"the columns {', '.join(missing)} are missing; there are {found}")


def _numbers(row: Mapping[str, Any], number: int) -> list[float]:
    try:
        return [float(row[name]) for name in COLUMNS[1:]]
    except ValueError as e:
        raise DataError(f"row {number} has no number where one belongs: {e}") from e


def _standardised(columns: NDArray[np.float64]) -> NDArray[np.float32]:
    deviation = columns.std(axis=0)
    if not (np.isfinite(deviation).all() and deviation.all()):
        raise DataError("a column has the same value everywhere, or none in some row")
    return np.asarray((columns - columns.mean(axis=0)) / deviation, np.float32)
