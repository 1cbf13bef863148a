"""What options demand of records, and `balanced` comes to."""

from typing import Any

import numpy as np
import pytest

from kafkaml.schemas.deployments import TrainingParameters
from trainer.demands import with_class_weights
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
