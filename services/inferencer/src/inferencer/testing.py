"""Stand-ins for tests: an engine without TensorFlow, an API without HTTP."""

import hashlib
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from inferencer.artifact import fetch_artifact
from inferencer.engines.base import ArtifactSource, LoadedEngine
from inferencer.exceptions import ArtifactModelError, PredictionError
from kafkaml.records.base import Array
from kafkaml.schemas.attempts import (
    FailureReport,
    InferenceOrder,
    Order,
    PauseReport,
    ProgressReport,
)
from kafkaml.schemas.predictions import AddressReport
from kafkaml.schemas.served_models import RefusalReport
from kafkaml.schemas.statistics import StatisticsReport
from kafkaml.schemas.trainings import Artifact, ArtifactFormat


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
        seconds_per_record: float = 0.0,
    ) -> None:
        self.input_shape = input_shape
        self.input_dtype = np.dtype(np.float32)
        self.seconds_per_record = seconds_per_record
        self.poison = poison
        self.seconds_per_batch = seconds_per_batch
        self.batch_sizes: list[int] = []

    def predict(self, batch: Array) -> Array:
        if batch.shape[1:] != self.input_shape:
            raise PredictionError(f"the record has the shape {batch.shape[1:]}")
        if self.poison is not None and bool((batch == self.poison).any()):
            raise PredictionError(f"cannot predict {self.poison}")
        self.batch_sizes.append(len(batch))
        time.sleep(self.seconds_per_batch + self.seconds_per_record * len(batch))
        rows = batch.reshape(len(batch), -1).astype(np.float32)
        return np.stack([rows.sum(axis=1), rows.max(axis=1)], axis=1)


class SumEngineLoader:
    """Makes engines whatever is in the file, except for `b"broken"`."""

    def __init__(self, *, seconds_per_batch: float = 0.0) -> None:
        self._seconds_per_batch = seconds_per_batch

    def load(self, order: InferenceOrder, source: ArtifactSource) -> LoadedEngine:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            fetch_artifact(source, order.artifact, path)
            if path.read_bytes() == b"broken":
                raise ArtifactModelError("the file is broken")
        engine = SumEngine(
            input_shape=tuple(order.input_shape), seconds_per_batch=self._seconds_per_batch
        )
        return LoadedEngine(engine=engine)


class MemoryAttempts:
    """Gives one order and keeps what is reported."""

    def __init__(
        self,
        *,
        order: Order,
        artifact: bytes = b"",
        exports: Mapping[ArtifactFormat, bytes] = MappingProxyType({}),
    ) -> None:
        self._order = order
        self._artifacts = {ArtifactFormat.KERAS: artifact, **exports}
        self._by_digest: dict[str, bytes] = {}
        self.reported_serving = threading.Event()
        self.progress_reports: list[ProgressReport] = []
        self.failure_reports: list[FailureReport] = []
        self.pause_reports: list[PauseReport] = []
        self.statistics_reports: list[StatisticsReport] = []
        self.refusal_reports: list[RefusalReport] = []
        self.address_reports: list[AddressReport] = []

    def order(self) -> Order:
        return self._order

    def change_order(self, order: Order) -> None:
        """Want something else from now on."""
        self._order = order

    def add_artifact(self, content: bytes) -> Artifact:
        """Keep one more model file, and return what an order says of it."""
        digest = hashlib.sha256(content).hexdigest()
        self._by_digest[digest] = content
        return Artifact(size_bytes=len(content), sha256=digest)

    def download_artifact(
        self,
        path: Path,
        format: ArtifactFormat = ArtifactFormat.KERAS,  # noqa: A002  the API's word
        *,
        sha256: str | None = None,
    ) -> None:
        path.write_bytes(self._by_digest.get(sha256 or "", self._artifacts[format]))

    def progress(self, report: ProgressReport) -> None:
        self.progress_reports.append(report)
        self.reported_serving.set()

    def address(self, report: AddressReport) -> None:
        self.address_reports.append(report)

    def statistics(self, report: StatisticsReport) -> None:
        self.statistics_reports.append(report)

    def pause(self, report: PauseReport) -> None:
        self.pause_reports.append(report)

    def failure(self, report: FailureReport) -> None:
        self.failure_reports.append(report)

    def refusal(self, report: RefusalReport) -> None:
        self.refusal_reports.append(report)
