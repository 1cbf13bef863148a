"""An update of 256 records as they arrive, over the same steps as a bare `tf.function`.

The update is read from its files, divided, mixed and trained on as in a training of a
stream without an end; every 16 of them the model is measured. The bare steps get arrays.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.incremental import IncrementalOptions
from trainer.incremental.training import StreamTraining
from trainer.messages import (
    DATA_DIRECTORY,
    Command,
    EndStream,
    Message,
    StreamTrained,
    TrainStream,
    Update,
    UpdateDone,
    update_files,
)

RECORDS = 256
BATCH_SIZE = 128
UPDATES = 64
ROUNDS = 7
RATE = 0.1

Rows = tuple[NDArray[Any], NDArray[Any]]


def network() -> Any:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def updates() -> list[Rows]:
    generator = np.random.default_rng(0)
    return [
        (
            generator.random((RECORDS, 784), np.float32),
            generator.integers(0, 10, RECORDS).astype(np.uint8),
        )
        for _ in range(UPDATES)
    ]


class Ours:
    """A stream without an end, and when each of its updates was done."""

    def __init__(self, stream: list[Rows], *, replay_share: float) -> None:
        options = IncrementalOptions(replay_share=replay_share, publish_seconds=1e6)
        order = TrainStream(
            parameters=TrainingParameters(
                batch_size=BATCH_SIZE, report=False, confusion_matrix=False
            ),
            options=options,
            validation_rate=RATE,
        )
        self._stream = stream
        self._done: list[float] = []
        training = StreamTraining(network(), order, send=self._send)
        self.trained: StreamTrained = training.train(self._commands().__next__)

    @property
    def seconds(self) -> float:
        """Those of one update, once everything is built."""
        first = UPDATES // 2
        return (self._done[-1] - self._done[first]) / (len(self._done) - 1 - first)

    def _commands(self) -> Iterator[Command]:
        folder = Path(DATA_DIRECTORY)
        for number, rows in enumerate(self._stream, start=1):  # the trainer's own process
            for name, array in zip(update_files(number), rows, strict=True):
                np.save(folder / name, array)
        for number in range(1, len(self._stream) + 1):
            yield Update(number=number, starts={}, positions={})
        yield EndStream()

    def _send(self, message: Message) -> None:
        if isinstance(message, UpdateDone):
            self._done.append(time.perf_counter())


def bare_seconds(stream: list[Rows], *, trained: int) -> float:
    """Return the seconds of an update, `trained` records of it, as plain steps."""
    model = network()
    loss_of, optimizer = keras.losses.SparseCategoricalCrossentropy(), model.optimizer
    accuracy, mean = keras.metrics.SparseCategoricalAccuracy(), keras.metrics.Mean()

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(features: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            predicted = model(features, training=True)
            loss = loss_of(labels, predicted)
        variables = model.trainable_variables
        optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        accuracy.update_state(labels, predicted)
        mean.update_state(loss)

    done = []
    for features, labels in stream:
        rows = np.concatenate([features, features])[:trained]
        marks = np.concatenate([labels, labels])[:trained]
        for start in range(0, trained, BATCH_SIZE):
            step(rows[start : start + BATCH_SIZE], marks[start : start + BATCH_SIZE])
        mean.result().numpy()
        done.append(time.perf_counter())
    first = UPDATES // 2
    return (done[-1] - done[first]) / (len(done) - 1 - first)


def compare(replay_share: float) -> tuple[float, float, float]:
    """Return the least seconds of ours and of the bare steps, and the median ratio."""
    stream = updates()
    fresh = RECORDS - round(RECORDS * RATE)
    trained = fresh + round(fresh * replay_share / (1 - replay_share))
    pairs = []
    for _ in range(ROUNDS):
        ours = Ours(stream, replay_share=replay_share)
        if ours.trained.records != UPDATES * RECORDS:
            raise RuntimeError("records are missing")
        pairs.append((ours.seconds, bare_seconds(stream, trained=trained)))
    one, two = (min(each) for each in zip(*pairs, strict=True))
    return one, two, statistics.median(each[0] / each[1] for each in pairs)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path(DATA_DIRECTORY).mkdir()
        for name, share in (("new records alone", 0.0), ("and a quarter of old", 0.25)):
            ours, bare, ratio = compare(share)
            print(f"  {name}")
            print(f"    update of {RECORDS} records    {1000 * ours:8.2f} ms")
            print(f"    the same bare steps      {1000 * bare:8.2f} ms")
            print(f"    ratio (median)           {ratio:8.2f}    (goal 1.50)")


if __name__ == "__main__":
    main()
