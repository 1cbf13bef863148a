"""Batches of decoded records for Keras. Runs inside the child only."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.data.dataset import Dataset
from trainer.data.split import Indices

Gather = Callable[[Any], Any]

STEPS_PER_EXECUTION = (32, 16, 4)


class BatchSource:
    """Draws batches by index, so that nothing is copied or decoded again in an epoch.

    Arrays of more than `memory_bytes` are left where they are, in a mapped file, and each
    batch is copied from there; null: none are. The batches are the same.
    """

    def __init__(self, dataset: Dataset, *, memory_bytes: int | None = None) -> None:
        is_held = memory_bytes is None or dataset.size_bytes <= memory_bytes
        gather = _gather_in_memory if is_held else _gather_mapped
        self._features = gather(dataset.features)
        self._labels = gather(dataset.labels)

    def batches(
        self, part: Indices, *, size: int, order: "EpochOrder | None" = None
    ) -> Any:
        """Return pairs of features and labels, in an order of their own if there is one."""

        def pair(rows: Any) -> Any:
            return self._features(rows), self._labels(rows)

        return _dataset(part, pair, size=size, order=order)

    def feature_batches(self, part: Indices, *, size: int) -> Any:
        """Return features alone, in order."""
        return _dataset(part, self._features, size=size)


class EpochOrder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """The order of the training records: by chance, and another one in each epoch.

    It is made from the seed and the epoch alone, so that a fit can go on from any epoch.
    """

    def __init__(self, part: Indices, *, seed: int) -> None:
        super().__init__()
        self._part = np.asarray(part)
        self._seed = seed
        with tf.device("CPU:0"):
            self.rows = tf.Variable(self._part, trainable=False)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        generator = np.random.default_rng([self._seed, epoch])
        self.rows.assign(generator.permutation(self._part))


def _gather_in_memory(array: NDArray[Any]) -> Gather:
    with tf.device("CPU:0"):
        held = tf.constant(np.asarray(array))
    return lambda rows: tf.gather(held, rows)


def _gather_mapped(array: NDArray[Any]) -> Gather:
    dtype = tf.as_dtype(array.dtype)

    def copy(rows: NDArray[np.int64]) -> NDArray[Any]:
        return np.asarray(array[rows])

    def gather(rows: Any) -> Any:
        batch = tf.numpy_function(copy, [rows], dtype)
        batch.set_shape((None, *array.shape[1:]))
        return batch

    return gather


def steps_of(count: int, size: int) -> int:
    """Return the number of batches of `count` records; the last may be smaller."""
    return -(-count // size)


def steps_per_execution(steps: int) -> int:
    """Return how many batches one call of the compiled step should do."""
    return next((each for each in STEPS_PER_EXECUTION if each <= steps), 1)


def _dataset(
    part: Indices,
    gather: Gather,
    *,
    size: int,
    order: EpochOrder | None = None,
) -> Any:
    rows = tf.constant(np.asarray(part)) if order is None else order.rows

    # There is nothing to convert, but looking for it takes long.
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def batch(number: Any) -> Any:
        # The end may be beyond the last row; the last batch is smaller then.
        return gather(rows[number * size : (number + 1) * size])

    # Keras takes a step too many on a dataset whose length it cannot see: here it can.
    return tf.data.Dataset.range(steps_of(len(part), size)).map(batch)
