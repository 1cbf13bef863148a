"""Fitting in this process, compared with what Keras does on arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kafkaml.schemas.deployments import TrainingParameters
from tests.trainer.orders import CLASSIFIER
from trainer.dataset import Dataset
from trainer.exceptions import DivergedError
from trainer.messages import EpochDone, Message, StepDone
from trainer.split import split

COUNT = 300


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(COUNT, 2)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.uint8)
    parts = split(
        COUNT,
        labels,
        validation_rate=0.2,
        test_rate=0.1,
        strategy="shuffled",
        seed=1,
    )
    return Dataset(features, labels, parts)


@pytest.fixture(autouse=True)
def _aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fitted(
    dataset: Dataset, source: str = CLASSIFIER, **parameters: Any
) -> tuple[Any, Any]:
    """Return the fitted model and what it reported."""
    from trainer.batches import BatchSource
    from trainer.model_source import build_model
    from trainer.training import fit

    model = build_model(source, seed=3)
    reports: list[Message] = []
    wanted = TrainingParameters.model_validate(
        {"batch_size": 16, "epochs": 3, **parameters}
    )
    fit(model, dataset, BatchSource(dataset), wanted, send=reports.append)
    return model, reports


def assert_same_weights(one: Any, other: Any) -> None:
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    assert int(one.optimizer.iterations) == int(other.optimizer.iterations)


def test_weights_are_bitwise_those_of_keras_on_the_same_arrays(dataset: Dataset) -> None:
    from trainer.model_source import build_model

    part = dataset.parts.training
    ours, _ = fitted(dataset, fit={"shuffle": False})
    theirs = build_model(CLASSIFIER, seed=3)
    theirs.fit(
        dataset.features[part],
        dataset.labels[part],
        batch_size=16,
        epochs=3,
        shuffle=False,
        verbose=0,
    )
    assert ours.steps_per_execution == 4  # 14 steps
    assert_same_weights(ours, theirs)


def test_shuffling_depends_on_the_seed_alone(dataset: Dataset) -> None:
    one, _ = fitted(dataset, seed=5)
    same, _ = fitted(dataset, seed=5, fit={"steps_per_execution": 1})
    other, _ = fitted(dataset, seed=6)
    assert_same_weights(one, same)
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


def test_every_epoch_reports_every_metric(dataset: Dataset) -> None:
    _, reports = fitted(dataset, fit={"class_weight": {"1": 2.0}})
    epochs = [each.report for each in reports if isinstance(each, EpochDone)]
    assert [each.epoch for each in epochs] == [1, 2, 3]
    for each in epochs:
        assert set(each.values) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert sum(isinstance(each, StepDone) for each in reports) == 1


def test_shuffled_batches_hold_every_record_once_and_in_another_order_each_epoch(
    dataset: Dataset,
) -> None:
    from trainer.batches import BatchSource

    batches = BatchSource(dataset).batches(dataset.parts.training, size=32, shuffle_seed=1)
    assert int(batches.cardinality()) == len(batches) == 7
    epochs = [
        np.concatenate([features.numpy() for features, _ in batches]) for _ in range(2)
    ]
    wanted = dataset.features[dataset.parts.training]
    for each in epochs:
        assert np.array_equal(np.sort(each, axis=0), np.sort(wanted, axis=0))
    assert not np.array_equal(epochs[0], epochs[1])


def test_a_loss_that_is_no_number_ends_the_training_with_its_epoch(
    dataset: Dataset,
) -> None:
    source = CLASSIFIER.replace("Adam(0.05)", "SGD(1e30)")
    with pytest.raises(DivergedError, match="after epoch 1"):
        fitted(dataset, source)


LOSS_THAT_FAILS = """\
import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
def loss(truth, prediction):
    raise RuntimeError("no way to tell")
model.compile("sgd", loss)
"""


def test_code_that_fails_in_the_training_is_told_with_its_line(dataset: Dataset) -> None:
    from trainer.failures import failure_of

    with pytest.raises(RuntimeError) as caught:
        fitted(dataset, LOSS_THAT_FAILS)
    failed = failure_of(caught.value)
    assert failed.reason == "model_code"
    assert "no way to tell" in failed.message
    assert failed.line == 4


def test_metrics_are_finite_numbers_or_none() -> None:
    from trainer.training import finite_metrics

    logs = {"loss": np.float32("nan"), "a": np.inf, "b": [0.5], "c": [1, 2], "d": "text"}
    assert finite_metrics(logs) == {"loss": None, "a": None, "b": 0.5}


@pytest.mark.parametrize(
    ("outputs", "labels", "loss", "expected"),
    [
        ([[0.1, 0.9], [0.8, 0.2]], [1, 1], "sparse_categorical_crossentropy",
         ([1, 1], [1, 0])),
        ([[0.1, 0.9], [0.8, 0.2]], [[1.0], [0.0]], "sparse_categorical_crossentropy",
         ([1, 0], [1, 0])),
        ([[0.1, 0.9], [0.8, 0.2]], [[1, 0], [0, 1]], "categorical_crossentropy",
         ([0, 1], [1, 0])),
        ([[0.7], [0.3]], [1, 0], "binary_crossentropy", ([1, 0], [1, 0])),
        ([[0.7], [0.3]], [0.25, 1.5], "mse", None),
        ([[0.7], [0.3]], [0, 1], "mse", None),
        ([[0.1, 0.9], [0.8, 0.2]], [[0.5, 0.5], [0, 1]], "mse", None),
        ([[[0.1, 0.9]]], [1], "mse", None),
    ],
)  # fmt: skip
def test_classes_are_recognised(
    outputs: list[Any], labels: list[Any], loss: str, expected: Any
) -> None:
    from trainer.evaluation import classes_of

    found = classes_of(np.asarray(outputs), np.asarray(labels), loss=loss)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found[0].tolist(), found[1].tolist()) == expected
        assert found[2] == 2


def test_a_matrix_that_cannot_be_made_costs_nothing(dataset: Dataset) -> None:
    from trainer.batches import BatchSource
    from trainer.evaluation import confusion_matrix

    assert confusion_matrix(object(), BatchSource(dataset), dataset, size=8) is None


def test_arrays_come_back_from_their_files(dataset: Dataset, tmp_path: Path) -> None:
    dataset.save(tmp_path)
    loaded = Dataset.load(tmp_path)
    assert loaded.counts == dataset.counts
    assert np.array_equal(loaded.features, dataset.features)
    assert np.array_equal(loaded.parts.test, dataset.parts.test)
