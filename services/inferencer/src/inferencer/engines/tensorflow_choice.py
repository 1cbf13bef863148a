"""Which of the engines that need TensorFlow is the faster one."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from inferencer.engines.base import LoadedEngine
from inferencer.engines.equality import is_equal
from inferencer.engines.files import ModelFiles
from inferencer.engines.refusals import Refusals
from inferencer.engines.tensorflow import TensorFlowEngine, TensorFlowLoader
from inferencer.engines.timing import least_seconds
from inferencer.exceptions import (
    EngineUnusableError,
    ExportUnequalError,
    PredictionError,
    UnusableOrderError,
)
from kafkaml.schemas.engines import EngineName, EngineReport

BATCH_SIZES = (1, 8, 32, 256)
TIMING_SECONDS = 0.5
ROWS_COMPARED = 8
# What a SavedModel has to be better than the `.keras` file, which is what it is made of.
WORTH_IT = 0.95

Seconds = dict[int, float]


class TensorFlowChoice:
    """Loads the engines of one order, each once, and compares them."""

    def __init__(
        self, *, loader: TensorFlowLoader, files: ModelFiles, refusals: Refusals
    ) -> None:
        self._loader = loader
        self._files = files
        self._refusals = refusals
        self._loaded: dict[EngineName, TensorFlowEngine | None] = {}

    def fastest(self, names: Iterable[EngineName]) -> LoadedEngine | None:
        """Return the fastest of some engines, or None if none of them can serve."""
        wanted = set(names)
        # The export is compared with the file, even if that is not to serve.
        self._load_all({EngineName.KERAS, *wanted})
        timed = {
            name: (engine, _call_seconds(engine))
            for name, engine in self._loaded.items()
            if name in wanted and engine is not None
        }
        if not timed:
            return None
        best = _best({name: seconds for name, (_, seconds) in timed.items()})
        for name in timed.keys() - {best}:
            self._refusals.reasons[name] = f"{best} is as fast or faster"
        engine, seconds = timed[best]
        report = EngineReport(
            name=best,
            call_milliseconds={
                str(size): round(each * 1000, 4) for size, each in seconds.items()
            },
        )
        return LoadedEngine(engine=engine, report=report)

    def _load_all(self, names: set[EngineName]) -> None:
        missing = [name for name in EngineName if name in names - self._loaded.keys()]
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare") as pool:
            prepared = pool.submit(self._loader.prepare)
            for name in missing:
                try:
                    self._files.fetch(name)
                except (EngineUnusableError, UnusableOrderError) as e:
                    self._refuse(name, e)
            prepared.result()
        # The file first, for the export is compared with it.
        for name in reversed(missing):
            if name not in self._loaded:
                self._load(name)

    def _load(self, name: EngineName) -> None:
        path = self._files.fetch(name)
        shape = tuple(self._files.order.input_shape)
        try:
            if name is EngineName.KERAS:
                engine = self._loader.load(path, input_shape=shape)
            else:
                engine = self._loader.load_saved_model(path, input_shape=shape)
                self._compare(engine)
        except (EngineUnusableError, UnusableOrderError) as e:
            self._refuse(name, e)
        else:
            self._loaded[name] = engine

    def _compare(self, exported: TensorFlowEngine) -> None:
        keras = self._loaded.get(EngineName.KERAS)
        if keras is None:
            return
        batch = keras.made_up_batch(ROWS_COMPARED)
        try:
            same = is_equal(exported.predict(batch), keras.predict(batch))
        except PredictionError:
            # Nothing can be made up for a model that knows only some numbers.
            return
        if not same:
            raise ExportUnequalError("it gives other answers than Keras")

    def _refuse(self, name: EngineName, error: Exception) -> None:
        self._loaded[name] = None
        self._refusals.add(name, error)


def _call_seconds(engine: TensorFlowEngine) -> Seconds:
    """Return the seconds of a call by its rows, of large ones only if there is time."""
    started = time.perf_counter()
    seconds: Seconds = {}
    for size in BATCH_SIZES:
        if time.perf_counter() - started > TIMING_SECONDS:
            break
        batch = engine.made_up_batch(size)
        try:
            engine.predict(batch)
            seconds[size] = least_seconds(partial(engine.predict, batch))
        except PredictionError:
            break
    return seconds


def _best(timed: dict[EngineName, Seconds]) -> EngineName:
    """Return the engine whose calls take least, each size counting alike."""
    best = next(iter(timed))
    for name, seconds in timed.items():
        both = timed[best].keys() & seconds.keys()
        shares = [seconds[size] / timed[best][size] for size in both]
        if shares and sum(shares) / len(shares) < WORTH_IT:
            best = name
    return best
