"""What every engine promises."""

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
