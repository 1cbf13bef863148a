"""Real exports of real models, made in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import pytest

from kafkaml.schemas.deployments import ExportFormat
from kafkaml.schemas.trainings import ArtifactFormat
from trainer.data.dataset import Dataset
from trainer.data.split import Split
from trainer.messages import Export, Exported, Message, export_file

RECORDS = np.random.default_rng(0).integers(0, 17, (40, 8, 8)).astype(np.uint8)
ALL: list[ExportFormat] = [
    ArtifactFormat.SAVED_MODEL,
    ArtifactFormat.LITERT,
    ArtifactFormat.ONNX,
]

Errors = dict[ArtifactFormat, str | None]
ExportAll = Callable[..., Errors]


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExportAll:
    """Export a model in the folder of the test; return the errors by format."""
    monkeypatch.chdir(tmp_path)

    def run(model: Any, *formats: ExportFormat, records: Any = RECORDS) -> Errors:
        from trainer.exports.process import export_model

        model.save("model.keras")
        count = len(records)
        parts = Split(np.arange(count), np.arange(0), np.arange(0))
        Dataset(records, np.zeros(count), parts).save(tmp_path)
        reports: list[Message] = []
        order = Export(
            model_file="model.keras",
            data_directory=str(tmp_path),
            formats=list(formats or ALL),
            memory_bytes=None,
        )
        export_model(order, send=reports.append)
        exported = [each for each in reports if isinstance(each, Exported)]
        return {each.format: each.error for each in exported}

    return run


def digits() -> Any:
    """Return a model with what is often in one."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.Rescaling(1 / 16),
            layers.Reshape((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def test_a_model_is_made_in_litert_and_as_a_saved_model(
    export: ExportAll, tmp_path: Path
) -> None:
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    model, formats = digits(), (ArtifactFormat.SAVED_MODEL, ArtifactFormat.LITERT)
    assert export(model, *formats) == dict.fromkeys(formats)
    wanted = np.asarray(model(RECORDS.astype(np.float32)))

    with ZipFile(tmp_path / export_file(ArtifactFormat.LITERT)) as archive:
        assert {each.compress_type for each in archive.infolist()} == {ZIP_STORED}
        manifest = json.loads(archive.read("manifest.json"))
        content = archive.read("batch-8.tflite")
        assert len(archive.namelist()) == 5
    assert manifest["batch_sizes"] == [1, 8, 32, 256]
    assert manifest["input"] == {"name": "record", "dtype": "float32", "shape": [8, 8]}
    assert manifest["output"]["shape"] == [10]
    assert manifest["largest_output"] == pytest.approx(wanted.max())
    assert set(manifest["max_difference"]) == {"1", "8", "32", "256"}
    assert max(manifest["max_difference"].values()) < 1e-5
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(taken["index"], RECORDS[:8].astype(np.float32))
    interpreter.invoke()
    assert np.allclose(interpreter.get_tensor(given["index"]), wanted[:8], atol=1e-5)

    with ZipFile(tmp_path / export_file(ArtifactFormat.SAVED_MODEL)) as archive:
        archive.extractall(tmp_path / "unpacked")
    loaded = tf.saved_model.load(str(tmp_path / "unpacked"))
    assert np.allclose(loaded.serve(RECORDS[:3].astype(np.float32)), wanted[:3], atol=1e-5)


# Keras looks for what NumPy no longer has, to mend it.
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")
def test_an_onnx_file_takes_any_number_of_records(
    export: ExportAll, tmp_path: Path
) -> None:
    import onnx

    assert export(digits(), ArtifactFormat.ONNX) == {ArtifactFormat.ONNX: None}
    graph = onnx.load(tmp_path / export_file(ArtifactFormat.ONNX)).graph
    batch, *shape = graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_value == 0
    assert [each.dim_value for each in shape] == [8, 8]


def test_a_recurrent_model_of_any_length_takes_that_of_the_stream(
    export: ExportAll, tmp_path: Path
) -> None:
    import keras

    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, keras.layers.GRU(4)(inputs))
    assert export(model, ArtifactFormat.LITERT) == {ArtifactFormat.LITERT: None}
    with ZipFile(tmp_path / export_file(ArtifactFormat.LITERT)) as archive:
        assert json.loads(archive.read("manifest.json"))["input"]["shape"] == [8, 8]


def test_a_model_that_needs_its_source_has_no_exports(export: ExportAll) -> None:
    import keras

    layers = [keras.Input((8, 8)), keras.layers.Lambda(lambda x: x * 2)]
    errors = export(keras.Sequential(layers))
    assert set(errors) == set(ALL)
    for error in errors.values():
        assert "cannot be loaded without its source" in (error or "")
        assert "without Lambda layers or own classes" in (error or "")


def test_a_model_of_several_outputs_has_no_exports(export: ExportAll) -> None:
    import keras

    inputs = keras.Input((8, 8))
    model = keras.Model(inputs, [inputs * 2, inputs * 3])
    assert "the model has 2 outputs" in (export(model)[ArtifactFormat.LITERT] or "")


def test_a_model_of_texts_is_only_a_saved_model(export: ExportAll) -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((), dtype="string"), keras.layers.Hashing(7, output_mode="one_hot")]
    )
    errors = export(model, records=np.array([b"a", b"bc"] * 10))
    assert errors[ArtifactFormat.SAVED_MODEL] is None
    for each in (ArtifactFormat.LITERT, ArtifactFormat.ONNX):
        assert "export it as saved_model" in (errors[each] or "")


def test_an_operation_that_litert_lacks_is_named(export: ExportAll) -> None:
    import keras

    inputs = keras.Input((8, 8))
    model = keras.Model(inputs, keras.ops.erfinv(inputs / 20))
    error = export(model, ArtifactFormat.LITERT)[ArtifactFormat.LITERT]
    assert error == "LiteRT has nothing that does tf.Erfinv"
