"""Which records train, which validate and which test."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kafkaml.schemas.deployments import SplitStrategy

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of records, ascending in each part; together all of them, each once."""

    training: Indices
    validation: Indices
    test: Indices

    @property
    def held_back(self) -> tuple[Indices, Indices]:
        return self.validation, self.test


def split(
    count: int,
    labels: NDArray[Any],
    *,
    validation_rate: float,
    test_rate: float,
    strategy: SplitStrategy,
    seed: int,
) -> Split:
    """Divide the positions 0 to `count` - 1; the same arguments give the same parts.

    `labels` has a row for each position. `shuffled` draws by chance, `stratified` gives
    each part its share of each label, `ordered` leaves the last records for the test and
    those before them for the validation. A rate above 0 gives at least one record, so
    that few records can leave none for the training: the caller decides about that.
    """
    validation = _share(count, validation_rate)
    test = min(_share(count, test_rate), count - validation)
    generator = np.random.default_rng(seed)
    if strategy == "stratified":
        return _stratified(_by_label(labels, generator), validation, test, generator)
    order = np.arange(count) if strategy == "ordered" else generator.permutation(count)
    training = count - validation - test
    return _split(order, training, training + validation)


def fold_numbers(
    labels: NDArray[Any], *, folds: int, strategy: SplitStrategy, seed: int
) -> Indices:
    """Return the fold, from 0, of each of the records with these labels.

    The folds are as large as each other, but for one record. `stratified` gives each its
    share of each label, `ordered` divides the records without mixing them.
    """
    count = len(labels)
    if strategy == "ordered":
        return np.arange(count) * folds // max(1, count)
    generator = np.random.default_rng(seed)
    is_stratified = strategy == "stratified"
    order = _by_label(labels, generator) if is_stratified else generator.permutation(count)
    numbers = np.empty(count, np.int64)
    numbers[order] = np.arange(count) % folds
    return numbers


def _share(count: int, rate: float) -> int:
    return min(count, max(1, int(count * rate + 0.5))) if rate > 0 else 0


def _split(order: Indices, first: int, second: int) -> Split:
    return Split(
        np.sort(order[:first]), np.sort(order[first:second]), np.sort(order[second:])
    )


def _by_label(labels: NDArray[Any], generator: np.random.Generator) -> Indices:
    """Return all positions, those of one label side by side and in random order."""
    count = len(labels)
    order = generator.permutation(count)
    if not count:
        return order
    rows = labels.reshape(count, -1)
    if rows.shape[1] == 1:  # the same groups, with a fraction of the memory
        _, groups = np.unique(rows[:, 0], return_inverse=True)
    else:
        _, groups = np.unique(rows, axis=0, return_inverse=True)
    return order[np.argsort(groups.reshape(-1)[order], kind="stable")]


def _stratified(
    order: Indices, validation: int, test: int, generator: np.random.Generator
) -> Split:
    picked = _evenly(len(order), validation, generator)
    rest = np.delete(order, picked)
    picked_of_rest = _evenly(len(rest), test, generator)
    return Split(
        np.sort(np.delete(rest, picked_of_rest)),
        np.sort(order[picked]),
        np.sort(rest[picked_of_rest]),
    )


def _evenly(count: int, wanted: int, generator: np.random.Generator) -> Indices:
    """Return `wanted` places of `count`, evenly spaced: a run of n gets its share of n."""
    if not wanted:
        return np.empty(0, np.int64)
    places = (np.arange(wanted) + generator.random()) * count / wanted
    return np.minimum(places.astype(np.int64), count - 1)
