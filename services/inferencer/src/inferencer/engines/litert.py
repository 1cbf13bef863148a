"""The engine that needs no TensorFlow: LiteRT, with one interpreter per batch size."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inferencer.engines.archive import Manifest, TensorDescription, unpack_export
from inferencer.engines.buckets import BucketPlanner
from inferencer.engines.equality import is_equal
from inferencer.engines.timing import least_seconds
from inferencer.exceptions import (
    EngineUnusableError,
    ExportDamagedError,
    ExportUnequalError,
    PredictionError,
)
from kafkaml.records.base import Array
from kafkaml.schemas.engines import EngineName, EngineReport

LOAD_SECONDS = 0.5
WORTH_THREADS_SECONDS = 1e-4
THREADS_GAIN = 0.9
RECORDS = 2


class Bucket:
    """An interpreter for calls of one fixed number of rows."""

    def __init__(self, path: Path, *, size: int, manifest: Manifest, threads: int) -> None:
        """Raise ExportDamagedError if the file is not what the manifest says."""
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as e:
            raise EngineUnusableError(f"LiteRT does not run here: {e}") from e
        self.size = size
        try:
            self._interpreter: Any = Interpreter(model_path=str(path), num_threads=threads)
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
            _check_tensors(path.name, size, inputs, manifest.input)
            _check_tensors(path.name, size, outputs, manifest.output)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as e:
            raise ExportDamagedError(f"LiteRT cannot load its {path.name}: {e}") from e
        self._input = self._interpreter.tensor(inputs[0]["index"])
        self._output = self._interpreter.tensor(outputs[0]["index"])

    def run(self, rows: Array, answers: Array) -> None:
        """Write the answers to at most `size` rows into `answers`; raise PredictionError.

        The rows go right into the interpreter's memory, and the answers right out of it. No
        view of that memory is kept: it may move, and LiteRT does not run while one is.
        """
        try:
            # Rows that are left over keep what they had: nobody reads their answers.
            self._input()[: len(rows)] = rows
            self._interpreter.invoke()
            answers[:] = self._output()[: len(rows)]
        except (ValueError, TypeError, RuntimeError) as e:
            raise PredictionError(f"LiteRT: {e}") from e


def _check_tensors(
    name: str, size: int, details: list[dict[str, Any]], described: TensorDescription
) -> None:
    found = [(tuple(each["shape"]), np.dtype(each["dtype"])) for each in details]
    wanted = [((size, *described.shape), described.to_dtype())]
    if found != wanted:
        raise ExportDamagedError(f"its {name} has {found}, not {wanted}")


class LiteRTEngine:
    """Answers a batch of any size by the cheapest calls of fixed sizes."""

    def __init__(
        self, *, buckets: Mapping[int, Bucket], planner: BucketPlanner, manifest: Manifest
    ) -> None:
        self.input_shape = tuple(manifest.input.shape)
        self.input_dtype = manifest.input.to_dtype()
        self._output_shape = tuple(manifest.output.shape)
        self._output_dtype = manifest.output.to_dtype()
        self._sizes = sorted(set(manifest.batch_sizes))
        self._buckets = buckets
        self._planner = planner

    def predict(self, batch: Array) -> Array:
        if batch.shape[1:] != self.input_shape:
            raise PredictionError(
                f"the record has the shape {batch.shape[1:]}, "
                f"the model takes {self.input_shape}"
            )
        answers = np.empty((len(batch), *self._output_shape), self._output_dtype)
        done = 0
        for size in self._planner.plan(len(batch)):
            self._buckets[size].run(batch[done : done + size], answers[done : done + size])
            done += size
        return answers

    @property
    def report(self) -> EngineReport:
        """What calls take on this machine."""
        return EngineReport(
            name=EngineName.LITERT,
            call_milliseconds={
                str(size): round(self._planner.seconds(size) * 1000, 4)
                for size in self._sizes
            },
        )


class LiteRTLoader:
    """Loads exports; `threads` is the most that one call may use."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads

    def load(self, archive: Path, *, input_shape: tuple[int, ...]) -> LiteRTEngine:
        """Return an engine whose calls are timed and checked against each other.

        Raise ExportDamagedError or ExportUnequalError.
        """
        # What is unpacked stays mapped into memory, and needs no name any more.
        with tempfile.TemporaryDirectory(prefix="kafkaml-litert-") as folder:
            manifest, files = unpack_export(archive, Path(folder))
            manifest.check_equality()
            if tuple(manifest.input.shape) != input_shape:
                raise ExportDamagedError(
                    f"it takes records of shape {tuple(manifest.input.shape)}, "
                    f"not {input_shape}"
                )
            return self._load(manifest, files)

    def _load(self, manifest: Manifest, files: Mapping[int, Path]) -> LiteRTEngine:
        buckets: dict[int, Bucket] = {}
        seconds: dict[int, float] = {}
        trial = _Trial(manifest)
        for size, path in files.items():
            # The largest sizes of a slow model are left out: the others do as well.
            if trial.seconds > LOAD_SECONDS:
                break
            buckets[size], seconds[size] = self._fastest(trial, path, size)
        planner = BucketPlanner(seconds)
        return LiteRTEngine(
            buckets={size: buckets[size] for size in planner.sizes},
            planner=planner,
            manifest=manifest,
        )

    def _fastest(self, trial: "_Trial", path: Path, size: int) -> tuple[Bucket, float]:
        """Return the bucket with one thread or all, and the seconds of a call."""
        alone, seconds = trial.of(path, size=size, threads=1)
        if self._threads == 1 or seconds < WORTH_THREADS_SECONDS:
            return alone, seconds
        together, fewer_seconds = trial.of(path, size=size, threads=self._threads)
        is_worth_it = fewer_seconds < THREADS_GAIN * seconds
        return (together, fewer_seconds) if is_worth_it else (alone, seconds)


class _Trial:
    """Gives every bucket the same records, which must have the same answers."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._records = _made_up_records(manifest)
        self._answers: Array | None = None
        self.seconds = 0.0

    def of(self, path: Path, *, size: int, threads: int) -> tuple[Bucket, float]:
        """Return a bucket whose answers are right, and the seconds of a call."""
        started = time.perf_counter()
        bucket = Bucket(path, size=size, manifest=self._manifest, threads=threads)
        # The records take turns, so that each has neighbours and several places.
        rows = np.resize(self._records, (max(size, RECORDS), *self._records.shape[1:]))
        described = self._manifest.output
        answers = np.empty((len(rows), *described.shape), described.to_dtype())
        try:
            for first in range(0, len(rows), size):
                bucket.run(rows[first : first + size], answers[first : first + size])
            seconds = least_seconds(lambda: bucket.run(rows[:size], answers[:size]))
        except PredictionError as e:
            raise ExportDamagedError(f"its {path.name} cannot answer: {e}") from e
        self._check(path.name, answers)
        self.seconds += time.perf_counter() - started
        return bucket, seconds

    def _check(self, name: str, answers: Array) -> None:
        if self._answers is None:
            self._answers = answers[:RECORDS].copy()
        wanted = np.resize(self._answers, answers.shape)
        if not is_equal(answers, wanted):
            raise ExportUnequalError(
                f"the same records get other answers from its {name}, or in other places"
            )


def _made_up_records(manifest: Manifest) -> Array:
    """Return two records: of numbers from 0 to 1, of integers that any model knows."""
    shape = (RECORDS, *manifest.input.shape)
    dtype = manifest.input.to_dtype()
    if dtype.kind != "f":
        return np.zeros(shape, dtype)
    return np.random.default_rng(1).random(shape).astype(dtype)
