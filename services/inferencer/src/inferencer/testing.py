"""Stand-ins for tests: an engine without TensorFlow, an API without HTTP."""

import threading
import time
from pathlib import Path

import numpy as np

from inferencer.exceptions import ArtifactModelError, PredictionError
from kafkaml.records.base import Array
from kafkaml.schemas.attempts import FailureReport, Order, ProgressReport


class SumEngine:
    """Predicts the sum and the maximum of each record; cannot do so for `poison`.

    `seconds_per_batch` makes it as slow as a large model.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        poison: float | None = None,
        seconds_per_batch: float = 0.0,
    ) -> None:
        self.input_shape = input_shape
        self.poison = poison
        self.seconds_per_batch = seconds_per_batch
        self.batch_sizes: list[int] = []

    def predict(self, batch: Array) -> Array:
        if batch.shape[1:] != self.input_shape:
            raise PredictionError(f"the record has the shape {batch.shape[1:]}")
        if self.poison is not None and bool((batch == self.poison).any()):
            raise PredictionError(f"cannot predict {self.poison}")
        self.batch_sizes.append(len(batch))
        time.sleep(self.seconds_per_batch)
        rows = batch.reshape(len(batch), -1).astype(np.float32)
        return np.stack([rows.sum(axis=1), rows.max(axis=1)], axis=1)


class SumEngineLoader:
    """Makes engines whatever is in the file, except for `b"broken"`."""

    def __init__(self, *, seconds_per_batch: float = 0.0) -> None:
        self._seconds_per_batch = seconds_per_batch

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def load(self, path: Path, *, input_shape: tuple[int, ...]) -> SumEngine:
        if path.read_bytes() == b"broken":
            raise ArtifactModelError("the file is broken")
        return SumEngine(input_shape=input_shape, seconds_per_batch=self._seconds_per_batch)


class MemoryAttempts:
    """Gives one order and keeps what is reported."""

    def __init__(self, *, order: Order, artifact: bytes = b"") -> None:
        self._order = order
        self._artifact = artifact
        self.reported_serving = threading.Event()
        self.progress_reports: list[ProgressReport] = []
        self.failure_reports: list[FailureReport] = []

    def order(self) -> Order:
        return self._order

    def download_artifact(self, path: Path) -> None:
        path.write_bytes(self._artifact)

    def progress(self, report: ProgressReport) -> None:
        self.progress_reports.append(report)
        self.reported_serving.set()

    def failure(self, report: FailureReport) -> None:
        self.failure_reports.append(report)
