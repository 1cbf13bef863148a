"""Which engine an order gets."""

import hashlib
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferencer.config import InferencerSettings
from inferencer.engines.base import LoadedEngine
from inferencer.engines.ladder import EngineLadder
from inferencer.engines.litert import LiteRTLoader
from inferencer.engines.tensorflow import TensorFlowLoader
from inferencer.exceptions import ArtifactDataError, ArtifactModelError
from inferencer.testing import MemoryAttempts
from kafkaml.schemas.attempts import InferenceOrder
from kafkaml.schemas.engines import EngineChoice, EngineName
from kafkaml.schemas.trainings import Artifact, ArtifactFormat

from .exports import sum_export, sum_file
from .orders import FEATURES, inference_order, order_of

NO_EXPORT = "the training has no such export"


def load(
    *,
    keras: bytes = b"no model",
    wanted: EngineChoice = EngineChoice.AUTO,
    setting: EngineChoice = EngineChoice.AUTO,
    **exports: bytes,
) -> LoadedEngine:
    """Load the engine of an order with these files."""
    files = {ArtifactFormat(name): content for name, content in exports.items()}
    order = inference_order().model_copy(
        update={
            "engine": wanted,
            "artifact": artifact(keras, ArtifactFormat.KERAS),
            "artifacts": [artifact(content, name) for name, content in files.items()],
        }
    )
    return load_order(order, keras, files, setting)


def load_order(
    order: InferenceOrder,
    keras: bytes,
    files: dict[ArtifactFormat, bytes],
    setting: EngineChoice = EngineChoice.AUTO,
) -> LoadedEngine:
    ladder = EngineLadder.of(InferencerSettings(engine=setting))
    attempts = MemoryAttempts(order=order_of(order), artifact=keras, exports=files)
    return ladder.load(order, attempts)


def artifact(content: bytes, name: ArtifactFormat) -> Artifact:
    return Artifact(
        size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), format=name
    )


def engine_of(loaded: LoadedEngine) -> tuple[EngineName, dict[EngineName, str]]:
    assert loaded.report is not None
    return loaded.report.name, loaded.report.rejected


def assert_sums(loaded: LoadedEngine) -> None:
    batch = np.random.default_rng(1).random((20, FEATURES), np.float32)
    answers = loaded.engine.predict(batch)
    assert np.abs(answers - batch.sum(axis=1, keepdims=True)).max() < 1e-5


def test_litert_is_taken_first() -> None:
    loaded = load(litert=sum_export())

    assert engine_of(loaded) == (EngineName.LITERT, {})
    assert_sums(loaded)


def test_an_inference_on_a_gpu_that_is_none_is_served_by_litert() -> None:
    export = sum_export()
    order = inference_order().model_copy(
        update={"gpu": 1, "artifacts": [artifact(export, ArtifactFormat.LITERT)]}
    )

    loaded = load_order(order, b"", {ArtifactFormat.LITERT: export})

    assert engine_of(loaded) == (EngineName.LITERT, {})


class OnGpu(TensorFlowLoader):
    """Sees a GPU that is not there; TensorFlow itself then computes on the processor."""

    def sees_gpu(self) -> bool:
        return True


def load_on_gpu(keras: bytes, *, engine: EngineChoice = EngineChoice.AUTO) -> LoadedEngine:
    """Load the engine of an inference with a GPU and an export for LiteRT."""
    export = sum_export()
    order = inference_order().model_copy(
        update={
            "gpu": 1,
            "engine": engine,
            "artifact": artifact(keras, ArtifactFormat.KERAS),
            "artifacts": [artifact(export, ArtifactFormat.LITERT)],
        }
    )
    exports = {ArtifactFormat.LITERT: export}
    ladder = EngineLadder(
        litert=LiteRTLoader(threads=1), tensorflow=OnGpu(), wanted=EngineChoice.AUTO
    )
    attempts = MemoryAttempts(order=order_of(order), artifact=keras, exports=exports)
    return ladder.load(order, attempts)


def test_where_tensorflow_sees_a_gpu_it_comes_first(model: tuple[bytes, bytes]) -> None:
    loaded = load_on_gpu(model[0])

    name, rejected = engine_of(loaded)
    assert name is EngineName.KERAS
    assert rejected == {EngineName.SAVED_MODEL: NO_EXPORT}
    assert loaded.report is not None
    assert loaded.report.call_milliseconds
    assert_sums(loaded)


def test_on_a_gpu_litert_serves_what_tensorflow_cannot_and_who_wants_it(
    model: tuple[bytes, bytes],
) -> None:
    name, rejected = engine_of(load_on_gpu(b"no model"))
    wanted = load_on_gpu(model[0], engine=EngineChoice.LITERT)

    assert name is EngineName.LITERT
    assert rejected.keys() == {EngineName.KERAS, EngineName.SAVED_MODEL}
    assert engine_of(wanted) == (EngineName.LITERT, {})


def test_without_any_engine_the_reason_is_that_of_the_model_file() -> None:
    with pytest.raises(ArtifactModelError, match="cannot be loaded safely"):
        load(litert=b"damaged")


def test_a_model_file_that_is_damaged_is_told_from_one_that_is_no_model() -> None:
    keras = artifact(b"uploaded", ArtifactFormat.KERAS)
    order = inference_order().model_copy(update={"artifact": keras})

    with pytest.raises(ArtifactDataError, match="SHA-256"):
        load_order(order, b"stored", {})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A `.keras` file that sums, and the same as a zipped SavedModel."""
    import keras

    folder = tmp_path_factory.mktemp("model")
    dense = keras.layers.Dense(2, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((FEATURES,)), dense])
    model.save(folder / "model.keras")
    return (folder / "model.keras").read_bytes(), saved(model, folder)


def saved(model: Any, folder: Path) -> bytes:
    model.export(str(folder / "saved_model"), verbose=False)
    with zipfile.ZipFile(folder / "saved_model.zip", "w") as zipped:
        for path in sorted((folder / "saved_model").rglob("*")):
            zipped.write(path, path.relative_to(folder / "saved_model"))
    return (folder / "saved_model.zip").read_bytes()


@pytest.mark.parametrize(
    ("litert", "reason"),
    [
        (b"damaged", "unpacked"),
        (sum_export(files={"batch-8.tflite": sum_file(8, bias=1)}), "other answers"),
    ],
)
def test_without_litert_a_model_is_served_by_tensorflow_and_the_report_says_why(
    model: tuple[bytes, bytes], litert: bytes, reason: str
) -> None:
    loaded = load(keras=model[0], litert=litert)

    name, rejected = engine_of(loaded)
    assert name is EngineName.KERAS
    assert reason in rejected[EngineName.LITERT]
    assert rejected[EngineName.SAVED_MODEL] == NO_EXPORT
    assert_sums(loaded)


def test_of_tensorflow_s_engines_the_faster_one_is_taken(
    model: tuple[bytes, bytes],
) -> None:
    keras, saved_model = model

    loaded = load(keras=keras, saved_model=saved_model)

    name, rejected = engine_of(loaded)
    [other] = {EngineName.KERAS, EngineName.SAVED_MODEL} - {name}
    assert rejected == {EngineName.LITERT: NO_EXPORT, other: f"{name} is as fast or faster"}
    assert_sums(loaded)


@pytest.mark.parametrize("choice", [EngineChoice.KERAS, EngineChoice.SAVED_MODEL])
def test_people_choose_the_engine_by_the_inference_or_the_settings(
    model: tuple[bytes, bytes], choice: EngineChoice
) -> None:
    keras, saved_model = model
    load_it = partial(load, keras=keras, litert=sum_export(), saved_model=saved_model)

    by_inference = load_it(wanted=choice)
    by_settings = load_it(setting=choice)
    over_settings = load_it(wanted=EngineChoice.LITERT, setting=choice)

    assert engine_of(by_inference) == engine_of(by_settings) == (EngineName(choice), {})
    assert engine_of(over_settings) == (EngineName.LITERT, {})
    assert_sums(by_inference)


def test_a_saved_model_of_another_model_is_refused(
    model: tuple[bytes, bytes], tmp_path: Path
) -> None:
    import keras

    dense = keras.layers.Dense(2, kernel_initializer="zeros")
    other = saved(keras.Sequential([keras.Input((FEATURES,)), dense]), tmp_path)

    loaded = load(keras=model[0], saved_model=other, wanted=EngineChoice.SAVED_MODEL)

    assert engine_of(loaded)[0] is EngineName.KERAS
    assert "other answers" in engine_of(loaded)[1][EngineName.SAVED_MODEL]


def test_a_model_with_own_layers_is_served_by_its_export(
    model: tuple[bytes, bytes],
) -> None:
    loaded = load(keras=b"cannot be loaded", saved_model=model[1])

    name, rejected = engine_of(loaded)
    assert name is EngineName.SAVED_MODEL
    assert "loaded safely" in rejected[EngineName.KERAS]
    assert_sums(loaded)
