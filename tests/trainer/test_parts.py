"""What the parts of a split must hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kafkaml.control import TopicRange
from kafkaml.schemas.states import FailureReason
from trainer.data.dataset import Dataset
from trainer.data.parts import check_parts
from trainer.data.records import Records
from trainer.data.split import Split
from trainer.exceptions import StreamError
from trainer.messages import LabelRule

SORTED = [0, 0, 0, 0, 1, 1]


def check(
    labels: Any,
    *,
    training: Sequence[int],
    test: Sequence[int] = (),
    folds: Sequence[int] = (),
    bad: Sequence[int] = (),
    rule: LabelRule = "classes",
) -> None:
    """Check records whose values are NaN in the rows that are `bad`."""
    features = np.zeros((len(labels), 2), np.float32)
    features[list(bad)] = np.nan
    records = Records(
        features,
        np.asarray(labels),
        np.arange(10, 10 + len(labels)),
        ((0, TopicRange("one", 0, 10, 30)),),
        not_finite=len(bad),
    )
    parts = Split(*(np.array(part, np.int64) for part in (training, (), test)))
    dataset = Dataset(features, records.labels, parts, np.array(folds, np.int64))
    check_parts(dataset, records, rule)


@pytest.mark.parametrize(
    "case",
    [
        {"labels": SORTED, "training": [0, 1, 4], "test": [2, 3, 5]},
        {"labels": SORTED, "training": [0, 4], "test": [2, 3]},
        {"labels": [7.5] * 3, "training": [0, 1], "test": [2], "rule": "outputs"},
        {"labels": [0, 1, 0], "training": [0, 1], "test": [2], "bad": [1]},
        {"labels": [0, 1, 0, 1], "training": range(4), "folds": [0, 0, 1, 1]},
    ],
    ids=["classes", "a test of one class", "regression", "some NaN", "folds"],
)
def test_parts_that_serve_are_accepted(case: dict[str, Any]) -> None:
    check(**case)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (
            {"labels": [4] * 9, "training": range(7), "test": [7, 8]},
            "all of the 9 records have the label 4",
        ),
        (
            {"labels": [[0, 1]] * 3, "training": range(3), "rule": "probabilities"},
            "have the label [0, 1]",
        ),
        (
            {"labels": SORTED, "training": range(4), "test": [4, 5]},
            "all of the 4 training records have the label 0",
        ),
        (
            {"labels": SORTED, "training": range(6), "folds": [0, 0, 0, 0, 1, 1]},
            "all of the 2 training records beside fold 1 have the label 1",
        ),
        (
            {"labels": [0, 1, 0, 1], "training": [0, 1], "test": [2, 3], "bad": [2, 3]},
            "of the 2 test records are NaN or infinite, the first of them is one:0:12",
        ),
    ],
    ids=["one class", "one vector", "in the training part", "in a fold", "NaN"],
)
def test_a_part_that_cannot_serve_is_refused_with_what_to_do(
    case: dict[str, Any], text: str
) -> None:
    with pytest.raises(StreamError) as caught:
        check(**case)
    assert caught.value.reason is FailureReason.BAD_STREAM
    assert text in caught.value.message
    assert "send" in caught.value.message
