"""Fitting in this process, compared with what Keras does on arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.trainer.fitting import Fit, assert_same_weights, plain_dataset
from tests.trainer.orders import CLASSIFIER
from trainer.data.dataset import Dataset
from trainer.exceptions import DivergedError
from trainer.messages import EpochDone, FitProgressed


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return plain_dataset()


@pytest.fixture(autouse=True)
def _aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_weights_are_bitwise_those_of_keras_on_the_same_arrays(dataset: Dataset) -> None:
    from trainer.models.source import build_model

    part = dataset.parts.training
    ours = Fit(dataset, fit={"shuffle": False}).model
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
    one = Fit(dataset, seed=5).model
    same = Fit(dataset, seed=5, fit={"steps_per_execution": 1}).model
    other = Fit(dataset, seed=6).model
    assert_same_weights(one, same)
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


def test_records_that_stay_in_their_file_give_the_same_weights(
    dataset: Dataset, tmp_path: Path
) -> None:
    dataset.save(tmp_path)
    mapped = Dataset.load(tmp_path)
    held = Fit(dataset, seed=5)
    left = Fit(mapped, seed=5, memory_bytes=mapped.size_bytes - 1)
    assert_same_weights(held.model, left.model)
    assert held.epochs == left.epochs


def test_every_epoch_reports_every_metric(dataset: Dataset) -> None:
    fit = Fit(dataset, fit={"class_weight": {"1": 2.0}})
    epochs = [each.report.epoch for each in fit.reports if isinstance(each, EpochDone)]
    assert epochs == [1, 2, 3]
    for each in fit.epochs:
        assert set(each) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_the_first_step_is_reported_at_once_then_one_in_a_second(dataset: Dataset) -> None:
    fit = Fit(dataset)
    first = fit.reports[0]
    assert isinstance(first, FitProgressed)
    assert (first.report.epoch, first.report.step, first.report.steps) == (1, 4, 14)
    assert len(fit.steps) <= 3  # the whole fit takes about a second


def test_shuffled_batches_hold_every_record_once_and_in_another_order_each_epoch(
    dataset: Dataset,
) -> None:
    from trainer.fit.batches import BatchSource, EpochOrder

    part = dataset.parts.training
    order = EpochOrder(part, seed=1)
    batches = BatchSource(dataset).batches(part, size=32, order=order)
    assert int(batches.cardinality()) == len(batches) == 7

    def drawn(epoch: int) -> NDArray[Any]:
        order.on_epoch_begin(epoch)
        return np.concatenate([features.numpy() for features, _ in batches])

    epochs = [drawn(epoch) for epoch in (0, 1, 0)]
    for each in epochs:
        assert np.array_equal(
            np.sort(each, axis=0), np.sort(dataset.features[part], axis=0)
        )
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(epochs[0], epochs[2])


@pytest.mark.parametrize("fit", [{}, {"steps_per_execution": 1}])
def test_a_loss_that_is_no_number_ends_the_training_with_epoch_and_batch(
    dataset: Dataset, fit: dict[str, int]
) -> None:
    source = CLASSIFIER.replace("Adam(0.05)", "SGD(1e30)")
    batch = r"[2-8]" if not fit else "[23]"
    with pytest.raises(DivergedError, match=f"after epoch 1, batch {batch} of 14: lower"):
        Fit(dataset, source, fit=fit)


LOSS_THAT_FAILS = """\
import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
def loss(truth, prediction):
    raise RuntimeError("no way to tell")
model.compile("sgd", loss)
"""


def test_code_that_fails_in_the_training_is_told_with_its_line(dataset: Dataset) -> None:
    from trainer.models.failures import failure_of

    with pytest.raises(RuntimeError) as caught:
        Fit(dataset, LOSS_THAT_FAILS)
    failed = failure_of(caught.value)
    assert failed.reason == "model_code"
    assert "no way to tell" in failed.message
    assert failed.line == 4


def test_metrics_are_finite_numbers_or_none() -> None:
    from trainer.fit.progress import finite_metrics

    logs = {"loss": np.float32("nan"), "a": np.inf, "b": [0.5], "c": [1, 2], "d": "text"}
    assert finite_metrics(logs) == {"loss": None, "a": None, "b": 0.5}


def test_arrays_come_back_from_their_files(dataset: Dataset, tmp_path: Path) -> None:
    dataset.save(tmp_path)
    loaded = Dataset.load(tmp_path)
    assert loaded.counts == dataset.counts
    assert np.array_equal(loaded.features, dataset.features)
    assert np.array_equal(loaded.parts.test, dataset.parts.test)
