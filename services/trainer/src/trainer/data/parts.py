"""Whether each part of the records can serve, told before anything is trained."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.states import FailureReason
from trainer.data.chunks import chunks_of
from trainer.data.dataset import PARTS, Dataset
from trainer.data.records import Records
from trainer.data.split import Indices
from trainer.exceptions import StreamError
from trainer.messages import LabelRule


def check_parts(dataset: Dataset, records: Records, rule: LabelRule) -> None:
    """Raise StreamError if a part teaches a classifier nothing, or holds no number."""
    if rule in {"classes", "probabilities"}:
        _check_several_classes(dataset)
    if records.not_finite:
        for name in PARTS:
            _check_numbers(name, getattr(dataset.parts, name), records)


def _check_several_classes(dataset: Dataset) -> None:
    """Refuse to train a classifier on records that are all of one class."""
    labels = dataset.labels
    if not _differ(labels):
        raise _unusable(
            f"all of the {len(labels)} records have the label {_label(labels, 0)}: a "
            "classifier learns nothing from one class; send records of the others, too"
        )
    for name, rows in _fits(dataset):
        if not _differ(labels, rows):
            raise _unusable(
                f"all of the {len(rows)} {name} have the label {_label(labels, rows[0])}, "
                "records of other classes are elsewhere: a classifier learns nothing from "
                "one class; use split 'stratified' or 'shuffled', or send more records"
            )


def _fits(dataset: Dataset) -> Iterator[tuple[str, Indices]]:
    """Yield what each fit is trained on."""
    training, folds = dataset.parts.training, dataset.folds
    yield "training records", training
    for fold in range(int(folds.max()) + 1 if len(folds) else 0):
        yield f"training records beside fold {fold + 1}", training[folds != fold]


def _differ(labels: NDArray[Any], rows: Indices | None = None) -> bool:
    first = 0 if rows is None else rows[0]
    usual = np.asarray(labels[first])
    return any((chunk != usual).any() for _, chunk in chunks_of(labels, rows))


def _check_numbers(name: str, rows: Indices, records: Records) -> None:
    if not len(rows) or len(rows) > records.not_finite:
        return
    if not any(np.isfinite(chunk).any() for _, chunk in chunks_of(records.features, rows)):
        raise _unusable(
            f"all values of the {len(rows)} {name} records are NaN or infinite, the first "
            f"of them is {records.coordinates(int(rows[0]))}: send the records again "
            "without such, or corrected"
        )


def _label(labels: NDArray[Any], row: int) -> str:
    found = np.asarray(labels[row])
    label = found.item() if found.size == 1 else found.tolist()
    return f"{label!s:.100}"


def _unusable(message: str) -> StreamError:
    return StreamError(FailureReason.BAD_STREAM, message)
