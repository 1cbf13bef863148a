"""What every engine promises."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kafkaml.records.base import Array, Dtype
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.engines import EngineReport
from kafkaml.schemas.trainings import ArtifactFormat


class Engine(Protocol):
    """Computes a model's predictions."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one record."""

    @property
    def input_dtype(self) -> Dtype:
        """What numbers become before they reach the model; `object` for texts."""

    def predict(self, batch: Array) -> Array:
        """Return one row for each row of `batch`, of shape `(rows, *input_shape)`.

        Raise PredictionError if it cannot be done. Rows do not depend on their neighbours.
        The array is the caller's: no later call changes it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEngine:
    """A warm engine, and what is to be told about it."""

    engine: Engine
    report: EngineReport | None = None


class ArtifactSource(Protocol):
    """Where the files of the model come from."""

    def download_artifact(
        self,
        path: Path,
        format: ArtifactFormat = ArtifactFormat.KERAS,  # noqa: A002  the API's word
        *,
        sha256: str | None = None,
    ) -> None:
        """Store the file of this digest at `path`; raise ClientError."""


class EngineLoader(Protocol):
    """Makes the engine of an order."""

    def load(self, order: InferenceOrder, source: ArtifactSource) -> LoadedEngine:
        """Return a warm engine, without running Python code from a file.

        Raise UnusableOrderError if that is not possible.
        """
