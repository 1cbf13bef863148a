"""What options demand of records, and `balanced` comes to."""

from typing import Any

import numpy as np
import pytest

from kafkaml.schemas.deployments import TrainingParameters
from trainer.data.chunks import CHUNK_BYTES
from trainer.data.dataset import Dataset
from trainer.data.demands import with_class_weights
from trainer.data.label_counts import count_labels
from trainer.data.oddities import about_batches, about_classes, about_weights
from trainer.data.split import Split
from trainer.exceptions import StreamError

BALANCED = TrainingParameters.model_validate({"fit": {"class_weight": "balanced"}})


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 0, 0, 2], np.uint8),
        np.array([[0.0], [0.0], [0.0], [2.0]], np.float32),
        np.eye(3)[[0, 0, 0, 2]],
    ],
    ids=["numbers", "floats", "one-hot"],
)
def test_balanced_weighs_a_class_by_how_rare_it_is(labels: Any) -> None:
    weighed = with_class_weights(BALANCED, labels)
    weights = weighed.fit.class_weight
    assert isinstance(weights, dict)
    assert set(weights) == {"0", "2"}
    assert [weights["0"], weights["2"]] == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])
    assert BALANCED.fit.class_weight == "balanced"


@pytest.mark.parametrize(
    "labels",
    [np.array([0.5, 1.0]), np.array([-1, 1]), np.array(["a", "b"]), np.ones((2, 3))],
    ids=["fractions", "negative", "texts", "several"],
)
def test_labels_that_are_no_classes_cannot_be_balanced(labels: Any) -> None:
    with pytest.raises(StreamError, match="the labels are no classes"):
        with_class_weights(BALANCED, labels)


def test_weights_that_are_given_stay() -> None:
    given = TrainingParameters.model_validate({"fit": {"class_weight": {"1": 2.0}}})
    assert with_class_weights(given, np.array([0, 1])) is given


def parts_of(*, training: list[int], test: list[int]) -> Split:
    nothing = np.empty(0, np.int64)
    return Split(np.array(training), nothing, np.array(test, np.int64))


def test_a_batch_that_is_larger_than_the_data_is_odd() -> None:
    parts = parts_of(training=[0, 1], test=[2])
    dataset = Dataset(np.zeros((3, 1)), np.zeros(3), parts)
    parameters = TrainingParameters(batch_size=3)
    assert "batch_size is 3, but there are 2" in (about_batches(dataset, parameters) or "")
    assert about_batches(dataset, TrainingParameters(batch_size=2)) is None


def test_classes_that_are_never_trained_are_odd() -> None:
    labels = np.array([0, 1, 2, 2], np.uint8)
    parts = parts_of(training=[0, 1], test=[2, 3])
    told = about_classes(Dataset(np.zeros((4, 1)), labels, parts))
    assert told is not None
    assert "no training record has the class 2," in told
    parts = parts_of(training=[0, 1, 2], test=[3])
    assert about_classes(Dataset(np.zeros((4, 1)), labels, parts)) is None
    assert about_classes(Dataset(np.zeros((4, 1)), labels + 0.5, parts)) is None


def test_weights_of_classes_that_are_never_trained_are_odd() -> None:
    parts = parts_of(training=[0, 1], test=[2])
    dataset = Dataset(np.zeros((3, 1)), np.array([0, 1, 2]), parts)

    def told(weights: dict[str, float]) -> str | None:
        options = {"class_weight": weights}
        return about_weights(dataset, TrainingParameters.model_validate({"fit": options}))

    assert "weighs the class 2, 10: no" in (told({"0": 1, "10": 2, "2": 2}) or "")
    assert told({"1": 2}) is None


def test_labels_are_counted_a_part_at_a_time() -> None:
    labels = np.zeros(CHUNK_BYTES + 5, np.uint8)
    labels[-3:] = 2
    assert count_labels(labels) == {"0": CHUNK_BYTES + 2, "2": 3}
    rows = np.array([1, CHUNK_BYTES + 4])
    assert count_labels(labels, rows) == {"0": 1, "2": 1}
