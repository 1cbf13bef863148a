"""What predictions say about a model, compared with scikit-learn."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    mean_absolute_error,
    precision_recall_fscore_support,
    r2_score,
    root_mean_squared_error,
)

from kafkaml.schemas.deployments import TrainingParameters
from tests.trainer.fitting import Fit, plain_dataset

CROSSENTROPY = "sparse_categorical_crossentropy"


@pytest.fixture(autouse=True)
def _aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("shape", "labels", "loss", "expected"),
    [
        ((2,), [1, 1], CROSSENTROPY, "classes=2, threshold=None, has_one_hot_labels=False"),
        ((2,), [[1.0], [0.0]], CROSSENTROPY, "has_one_hot_labels=False"),
        ((2,), [[1, 0], [0, 1]], "categorical_crossentropy", "has_one_hot_labels=True"),
        ((1,), [1, 0], "binary_crossentropy", "classes=2, threshold=0.5"),
        ((1,), [0.25, 1.5], "mse", "Regression(outputs=1)"),
        ((1,), [0, 1], "mse", "Regression(outputs=1)"),
        ((2,), [[0.5, 0.5], [0, 1]], "mae", "Regression(outputs=2)"),
        ((3, 2), [[[0.5, 0], [0, 1], [2, 3]]], "huber", "Regression(outputs=6)"),
        ((2,), [[1, 0], [0, 1]], "binary_crossentropy", "several labels at once"),
        ((2,), [[0.1, 0.9], [0.5, 0.5]], "categorical_crossentropy", "no plain"),
        ((1, 2), [1], "mse", "2 outputs cannot be compared with 1 labels"),
        ((2,), [1, 2], "mse", "not the numbers of 2 classes"),
        ((501,), [1, 2], CROSSENTROPY, "more than the 500"),
        ((1,), ["a", "b"], "mse", "no numbers"),
    ],
)
def test_the_task_of_a_model_is_recognised(
    shape: tuple[int, ...], labels: list[Any], loss: str, expected: str
) -> None:
    from trainer.fit.tasks import task_of

    assert expected in str(task_of(shape, np.asarray(labels), loss=loss))


def test_a_binary_classifier_of_logits_says_1_from_0_on() -> None:
    import keras

    from trainer.fit.tasks import Classification, task_of

    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    assert task_of((1,), np.array([0, 1]), loss=loss) == Classification(2, threshold=0.0)


def test_scores_are_those_of_scikit_learn() -> None:
    from trainer.fit.classification import ClassCounts
    from trainer.fit.tasks import Classification

    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 200)
    outputs = generator.normal(size=(200, 5)) + 2 * np.eye(5)[labels]
    outputs[:, 4] = -9  # the last class never occurs and is never predicted
    counts = ClassCounts(Classification(5))
    for rows in (slice(0, 150), slice(150, 200)):
        counts.add(labels[rows], outputs[rows])
    report = counts.report("test")
    predicted = outputs.argmax(axis=1)
    for average, found in (
        ("macro", report.macro_average),
        ("weighted", report.weighted_average),
    ):
        *wanted, _ = precision_recall_fscore_support(
            labels, predicted, labels=range(5), average=average, zero_division=0
        )
        assert (found.precision, found.recall, found.f1) == pytest.approx(wanted)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=range(4)
    )
    for label, scores in enumerate(report.classes[:4]):
        assert scores.label == str(label)
        assert scores.support == support[label]
        assert scores.precision == pytest.approx(precision[label])
        assert scores.recall == pytest.approx(recall[label])
        assert scores.f1 == pytest.approx(f1[label])
    missing = report.classes[4]
    assert (missing.precision, missing.recall, missing.f1) == (None, None, None)
    assert report.accuracy == pytest.approx((labels == predicted).mean())
    assert report.macro_average.support == 200
    assert np.sum(counts.matrix("test").matrix) == 200


def test_errors_are_those_of_scikit_learn() -> None:
    from trainer.fit.regression import ErrorSums
    from trainer.fit.tasks import Regression

    generator = np.random.default_rng(0)
    truth = generator.normal(1e6, [1, 3], (500, 2))
    predicted = truth + generator.normal(0, 0.5, (500, 2))
    sums = ErrorSums(Regression(2))
    for rows in (slice(0, 300), slice(300, 500)):
        sums.add(truth[rows], predicted[rows])
    report = sums.report("validation")
    assert report.mae == pytest.approx(mean_absolute_error(truth, predicted))
    assert report.r2 == pytest.approx(r2_score(truth, predicted))
    for output, errors in enumerate(report.outputs):
        columns = truth[:, output], predicted[:, output]
        assert errors.output == output
        assert errors.rmse == pytest.approx(root_mean_squared_error(*columns))
        assert errors.r2 == pytest.approx(r2_score(*columns))
        wanted = np.percentile(columns[0] - columns[1], [1, 50, 99])
        residuals = errors.residuals
        assert [residuals.p1, residuals.p50, residuals.p99] == pytest.approx(
            list(wanted), rel=1e-5
        )


def test_what_is_not_finite_or_not_defined_is_null() -> None:
    from trainer.fit.regression import ErrorSums
    from trainer.fit.tasks import Regression

    sums = ErrorSums(Regression(2))
    sums.add(np.array([[1.0, 2.0], [1.0, 4.0]]), np.array([[1.0, np.nan], [2.0, 4.0]]))
    constant, broken = sums.report("test").outputs
    assert (constant.mae, constant.r2) == (0.5, None)
    assert (broken.mae, broken.rmse, broken.r2) == (None, None, None)
    assert broken.residuals.p50 is None


def test_very_many_outputs_have_errors_in_total_alone() -> None:
    from trainer.fit.regression import ErrorSums
    from trainer.fit.tasks import Regression

    sums = ErrorSums(Regression(33))
    sums.add(np.zeros((4, 33)), np.ones((4, 33)))
    report = sums.report("test")
    assert (report.mae, report.rmse, report.outputs) == (1, 1, [])


def test_a_model_that_cannot_predict_costs_nothing() -> None:
    from trainer.fit.batches import BatchSource
    from trainer.fit.evaluation import assess

    dataset = plain_dataset()
    found = assess(object(), BatchSource(dataset), dataset, TrainingParameters())
    assert found.no_report is not None
    assert "predicting failed: AttributeError" in found.no_report
    assert found.confusion_matrix is None


COUNTING = """
import keras
import kafkaml_tests_traces as traces

class Counting(keras.layers.Layer):
    def call(self, values):
        traces.count += 1
        return values

model = keras.Sequential(
    [keras.Input((2,)), Counting(), keras.layers.Dense(2, activation="softmax")]
)
model.compile("adam", "sparse_categorical_crossentropy")
"""


def test_predictions_are_traced_once_and_not_for_each_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainer.fit.batches import BatchSource
    from trainer.fit.evaluation import assess

    traces = SimpleNamespace(count=0)
    monkeypatch.setitem(sys.modules, "kafkaml_tests_traces", traces)
    dataset = plain_dataset()
    fit = Fit(dataset, COUNTING, batch_size=4, fit={"steps_per_execution": 20})
    before = traces.count

    found = assess(fit.model, BatchSource(dataset), dataset, fit.parameters)

    assert found.confusion_matrix is not None
    assert 1 <= traces.count - before <= 2
    assert fit.model.steps_per_execution == 20
