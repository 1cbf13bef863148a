"""What every engine promises."""

from pathlib import Path
from typing import Protocol

from kafkaml.records.base import Array


class Engine(Protocol):
    """Computes a model's predictions."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one record."""

    def predict(self, batch: Array) -> Array:
        """Return one row for each row of `batch`, of shape `(rows, *input_shape)`.

        Raise PredictionError if it cannot be done. Rows do not depend on their neighbours.
        """


class EngineLoader(Protocol):
    """Makes an engine from a model file."""

    def prepare(self) -> None:
        """Do what takes long and needs no model yet; runs while the model is on its way."""

    def load(self, path: Path, *, input_shape: tuple[int, ...]) -> Engine:
        """Return a warm engine, without running code from the file.

        Raise ArtifactModelError if that is not possible.
        """
