"""The engine of a model that answers what it is sure of, and hands the rest on."""

import tempfile
from pathlib import Path

from inferencer.engines.base import ArtifactSource, Engine, LoadedEngine
from inferencer.engines.files import ModelFiles
from inferencer.engines.tensorflow import TensorFlowLoader
from kafkaml.records.base import Array, Dtype
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.engines import EngineName


class EarlyExitEngine:
    """Gives rows of the prediction, `answer_width` numbers, and the tensor behind it."""

    def __init__(self, *, engine: Engine, answer_width: int) -> None:
        self.answer_width = answer_width
        self._engine = engine

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self._engine.input_shape

    @property
    def input_dtype(self) -> Dtype:
        return self._engine.input_dtype

    def predict(self, batch: Array) -> Array:
        return self._engine.predict(batch)


class EarlyExitLoader:
    """Loads models of two outputs: the tensor for the next model, and the prediction.

    Only the `.keras` file says which output is which, and has its layers.
    """

    def __init__(self, *, tensorflow: TensorFlowLoader) -> None:
        self._tensorflow = tensorflow

    def load(self, order: InferenceOrder, source: ArtifactSource) -> LoadedEngine:
        """Return a warm engine; raise UnusableOrderError."""
        with tempfile.TemporaryDirectory(prefix="kafkaml-inferencer-") as folder:
            path = ModelFiles(order, source, Path(folder)).fetch(EngineName.KERAS)
            self._tensorflow.prepare()
            engine, answer_width = self._tensorflow.load_with_exit(
                path,
                input_shape=tuple(order.input_shape),
                layer=order.early_exit.layer if order.early_exit else None,
            )
        return LoadedEngine(
            engine=EarlyExitEngine(engine=engine, answer_width=answer_width)
        )
