from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferencer.engines.tensorflow import TensorFlowLoader
from inferencer.exceptions import ArtifactModelError, PredictionError
from kafkaml.schemas.states import ExitCode, FailureReason


@pytest.fixture(scope="module", autouse=True)
def keras() -> Iterator[Any]:
    """Keras, imported by the first test that needs it."""
    TensorFlowLoader().prepare()
    import keras

    keras.utils.set_random_seed(1)
    yield keras
    keras.utils.clear_session(free_memory=True)


@pytest.fixture(scope="module")
def model(keras: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8)),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def saved(model: Any, folder: Path) -> Path:
    path = folder / "model.keras"
    model.save(path)
    return path


def test_predictions_are_those_of_the_model_for_every_batch_size(
    model: Any, tmp_path: Path
) -> None:
    engine = TensorFlowLoader().load(saved(model, tmp_path), input_shape=(8, 8))

    for rows in (1, 3, 100):
        batch = np.random.default_rng(rows).integers(0, 255, (rows, 8, 8), np.uint8)
        expected = model(batch.astype(np.float32), training=False).numpy()
        assert np.abs(engine.predict(batch) - expected).max() <= 1e-6


def test_a_record_of_another_shape_cannot_be_predicted(model: Any, tmp_path: Path) -> None:
    engine = TensorFlowLoader().load(saved(model, tmp_path), input_shape=(8, 8))

    with pytest.raises(PredictionError, match="shape"):
        engine.predict(np.zeros((2, 64), np.float32))


def test_a_file_that_would_run_code_is_refused(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])

    with pytest.raises(ArtifactModelError, match=r"safely.*Lambda") as caught:
        TensorFlowLoader().load(saved(model, tmp_path), input_shape=(4,))

    assert caught.value.reason == FailureReason.ARTIFACT
    assert caught.value.exit_code == ExitCode.MODEL_CODE


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"no archive")

    with pytest.raises(ArtifactModelError):
        TensorFlowLoader().load(path, input_shape=(4,))


def test_a_model_of_other_records_is_refused(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ArtifactModelError, match=r"shape \(5, 5\)"):
        TensorFlowLoader().load(saved(model, tmp_path), input_shape=(5, 5))


def test_several_inputs_or_outputs_are_refused_with_advice(
    keras: Any, tmp_path: Path
) -> None:
    one, two = keras.Input((4,)), keras.Input((4,))
    dense = keras.layers.Dense(1)
    inputs = keras.Model([one, two], dense(one + two))
    outputs = keras.Model(one, [dense(one), one])

    with pytest.raises(ArtifactModelError, match=r"2 inputs.*Join"):
        TensorFlowLoader().load(saved(inputs, tmp_path), input_shape=(4,))
    with pytest.raises(ArtifactModelError, match=r"2 outputs.*Join"):
        TensorFlowLoader().load(saved(outputs, tmp_path), input_shape=(4,))


def test_texts_can_be_predicted(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            keras.layers.TextVectorization(vocabulary=["bad", "good"], output_mode="count"),
            keras.layers.Dense(2),
        ]
    )
    engine = TensorFlowLoader().load(saved(model, tmp_path), input_shape=(1,))

    rows = engine.predict(np.array([["good"], ["bad"], ["good"]]))

    assert np.array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[1])


def test_both_outputs_of_an_early_exit_are_in_a_row_the_prediction_first(
    keras: Any, tmp_path: Path
) -> None:
    taken = keras.Input((4,))
    tensor = keras.layers.Dense(6, activation="relu")(taken)
    prediction = keras.layers.Dense(3, activation="softmax")(tensor)
    model = keras.Model(taken, [tensor, prediction])
    batch = np.random.default_rng(1).random((5, 4), np.float32)

    engine, answer_width = TensorFlowLoader().load_with_exit(
        saved(model, tmp_path), input_shape=(4,)
    )

    expected = np.concatenate(model.predict_on_batch(batch)[::-1], axis=1)
    assert answer_width == 3
    assert np.allclose(engine.predict(batch), expected, atol=1e-6)


def test_the_output_of_a_layer_goes_on(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, activation="relu", name="features"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    batch = np.random.default_rng(1).random((5, 4), np.float32)
    path = saved(model, tmp_path)

    engine, answer_width = TensorFlowLoader().load_with_exit(
        path, input_shape=(4,), layer="features"
    )

    expected = [model.predict_on_batch(batch), model.layers[0](batch)]
    assert answer_width == 3
    assert np.allclose(engine.predict(batch), np.concatenate(expected, 1), atol=1e-6)
    with pytest.raises(ArtifactModelError, match="no layer 'other', but features"):
        TensorFlowLoader().load_with_exit(path, input_shape=(4,), layer="other")


def test_a_model_of_one_output_has_no_early_exit(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ArtifactModelError, match="1 outputs; an early exit needs two"):
        TensorFlowLoader().load_with_exit(saved(model, tmp_path), input_shape=(8, 8))
