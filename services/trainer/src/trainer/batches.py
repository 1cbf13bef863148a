"""Batches of decoded records for Keras. Runs inside the child only."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.dataset import Dataset
from trainer.split import Indices

STEPS_PER_EXECUTION = (32, 16, 4)


class BatchSource:
    """Draws batches by index, so that nothing is copied or decoded again in an epoch."""

    def __init__(self, dataset: Dataset) -> None:
        with tf.device("CPU:0"):
            self._features = tf.constant(np.asarray(dataset.features))
            self._labels = tf.constant(np.asarray(dataset.labels))

    def batches(self, part: Indices, *, size: int, shuffle_seed: int | None = None) -> Any:
        """Return pairs of features and labels, drawn anew each epoch if there is a seed."""

        def pair(rows: Any) -> Any:
            return tf.gather(self._features, rows), tf.gather(self._labels, rows)

        return _dataset(part, pair, size=size, shuffle_seed=shuffle_seed)

    def feature_batches(self, part: Indices, *, size: int) -> Any:
        """Return features alone, in order."""

        def features(rows: Any) -> Any:
            return tf.gather(self._features, rows)

        return _dataset(part, features, size=size, shuffle_seed=None)


def steps_of(count: int, size: int) -> int:
    """Return the number of batches of `count` records; the last may be smaller."""
    return -(-count // size)


def steps_per_execution(steps: int) -> int:
    """Return how many batches one call of the compiled step should do."""
    return next((each for each in STEPS_PER_EXECUTION if each <= steps), 1)


def _dataset(
    part: Indices, gather: Callable[[Any], Any], *, size: int, shuffle_seed: int | None
) -> Any:
    rows = tf.constant(np.asarray(part))
    positions = tf.data.Dataset.range(len(part))
    if shuffle_seed is not None:
        positions = positions.shuffle(
            len(part), seed=shuffle_seed, reshuffle_each_iteration=True
        )
    batches = positions.batch(size).map(lambda chosen: gather(tf.gather(rows, chosen)))
    # Keras takes a step too many on a dataset whose length it cannot see.
    return batches.apply(tf.data.experimental.assert_cardinality(steps_of(len(part), size)))
