"""Models whose cost is known, without any framework: what is measured is the loop."""

import time
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kafkaml.records.base import Array

FEATURES = 64
CLASSES = 10


class Perceptron:
    """Two layers and a softmax; `repeats` of the hidden layer make it heavier."""

    input_shape = (FEATURES,)
    input_dtype = np.dtype(np.float32)

    def __init__(self, *, width: int = 128, repeats: int = 0) -> None:
        chance = np.random.default_rng(1)
        self._first = chance.normal(size=(FEATURES, width)).astype(np.float32) / 8
        self._hidden = chance.normal(size=(width, width)).astype(np.float32) / width**0.5
        self._last = chance.normal(size=(width, CLASSES)).astype(np.float32) / width**0.5
        self._repeats = repeats

    def predict(self, batch: Array) -> Array:
        hidden = np.maximum(batch @ self._first, 0)
        for _ in range(self._repeats):
            hidden = np.maximum(hidden @ self._hidden, 0)
        scores = np.exp(np.tanh(hidden @ self._last))
        result: Array = scores / scores.sum(axis=1, keepdims=True)
        return result


class NoModel:
    """Answers the same to everything, at once."""

    input_shape = (FEATURES,)
    input_dtype = np.dtype(np.float32)

    def __init__(self) -> None:
        self._answer = np.full((1, CLASSES), 1 / CLASSES, np.float32)

    def predict(self, batch: Array) -> Array:
        return np.repeat(self._answer, len(batch), axis=0)


Model = Perceptron | NoModel


@cache
def light() -> Perceptron:
    """Return a model of some microseconds a record."""
    return Perceptron()


@cache
def heavy(repeats: int = 4) -> Perceptron:
    """Return a model of about 25 microseconds a record for each repetition."""
    return Perceptron(width=1024, repeats=repeats)


def features(records: int) -> NDArray[np.float32]:
    """Return the same records at each call."""
    return np.random.default_rng(2).random((records, FEATURES), np.float32)


def records_per_second(engine: Perceptron, *, batch: int, seconds: float = 1.0) -> float:
    """Return how many records the bare model answers."""
    rows = features(batch)
    engine.predict(rows)
    began, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        engine.predict(rows)
        done += batch
    return done / passed
