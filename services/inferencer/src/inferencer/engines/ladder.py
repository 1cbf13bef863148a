"""Which engine serves an order: tried on this model and this machine."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog

from inferencer.config import InferencerSettings
from inferencer.engines.base import ArtifactSource, LoadedEngine
from inferencer.engines.early_exit import EarlyExitLoader
from inferencer.engines.files import ModelFiles
from inferencer.engines.litert import LiteRTLoader
from inferencer.engines.refusals import Refusals
from inferencer.engines.tensorflow import TensorFlowLoader
from inferencer.engines.tensorflow_choice import TensorFlowChoice
from inferencer.exceptions import EngineUnusableError, UnusableOrderError
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.engines import EngineChoice, EngineName

log = structlog.get_logger()

_LITERT = (EngineName.LITERT,)
_TENSORFLOW = (EngineName.KERAS, EngineName.SAVED_MODEL)


class EngineLadder:
    """Takes LiteRT where its answers are Keras', else the faster engine of TensorFlow.

    TensorFlow takes seconds and hundreds of MiB, so it is imported only where it is needed.
    """

    def __init__(
        self, *, litert: LiteRTLoader, tensorflow: TensorFlowLoader, wanted: EngineChoice
    ) -> None:
        """`wanted` counts where the order leaves it open."""
        self._litert = litert
        self._tensorflow = tensorflow
        self._wanted = wanted

    @classmethod
    def of(cls, settings: InferencerSettings) -> "EngineLadder":
        """Return the ladder of a replica."""
        cores = len(os.sched_getaffinity(0))
        return cls(
            litert=LiteRTLoader(threads=settings.intra_op_threads or cores),
            tensorflow=TensorFlowLoader(
                intra_op_threads=settings.intra_op_threads,
                inter_op_threads=settings.inter_op_threads,
            ),
            wanted=settings.engine,
        )

    def load(self, order: InferenceOrder, source: ArtifactSource) -> LoadedEngine:
        """Return the engine of the first step that has one; raise UnusableOrderError."""
        if order.early_exit is not None:
            return EarlyExitLoader(tensorflow=self._tensorflow).load(order, source)
        refusals = Refusals()
        with tempfile.TemporaryDirectory(prefix="kafkaml-inferencer-") as folder:
            files = ModelFiles(order, source, Path(folder))
            choice = TensorFlowChoice(
                loader=self._tensorflow, files=files, refusals=refusals
            )
            for step in self._steps(order):
                if step == _LITERT:
                    loaded = self._try_litert(files, refusals)
                else:
                    loaded = choice.fastest(step)
                if loaded is not None:
                    return _complete(loaded, refusals)
        raise refusals.to_error()

    def _steps(self, order: InferenceOrder) -> Iterator[tuple[EngineName, ...]]:
        """Yield which engines to try, those together that are to be compared."""
        match self._wanted if order.engine is EngineChoice.AUTO else order.engine:
            case EngineChoice.SAVED_MODEL:
                yield from ((EngineName.SAVED_MODEL,), (EngineName.KERAS,), _LITERT)
            case EngineChoice.KERAS:
                yield from ((EngineName.KERAS,), (EngineName.SAVED_MODEL,), _LITERT)
            case EngineChoice.AUTO if order.gpu and self._sees_gpu():
                yield from (_TENSORFLOW, _LITERT)
            case _:
                yield from (_LITERT, _TENSORFLOW)

    def _sees_gpu(self) -> bool:
        seen = self._tensorflow.sees_gpu()
        if not seen:
            log.warning("the inference has a GPU, but TensorFlow sees none")
        return seen

    def _try_litert(self, files: ModelFiles, refusals: Refusals) -> LoadedEngine | None:
        try:
            archive = files.fetch(EngineName.LITERT)
            engine = self._litert.load(archive, input_shape=tuple(files.order.input_shape))
        except (EngineUnusableError, UnusableOrderError) as e:
            refusals.add(EngineName.LITERT, e)
            return None
        return LoadedEngine(engine=engine, report=engine.report)


def _complete(loaded: LoadedEngine, refusals: Refusals) -> LoadedEngine:
    if loaded.report is None:
        return loaded
    report = loaded.report.model_copy(update={"rejected": dict(refusals.reasons)})
    log.info("engine taken", **report.model_dump(mode="json"))
    return LoadedEngine(engine=loaded.engine, report=report)
