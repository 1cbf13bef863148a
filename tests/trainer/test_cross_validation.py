"""Cross-validation: what it measures, and that it leaves no trace."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kafkaml.schemas.deployments import TrainingParameters
from kafkaml.schemas.states import FailureReason
from tests.trainer.fitting import plain_dataset
from tests.trainer.orders import CLASSIFIER
from trainer.data.split import fold_numbers
from trainer.messages import DATA_DIRECTORY, EpochDone, FitProgressed, Message, Trained

WITH_DROPOUT = CLASSIFIER.replace(
    '    keras.layers.Dense(3, activation="softmax"),',
    '    keras.layers.Dropout(0.5),\n    keras.layers.Dense(3, activation="softmax"),',
)
SCHEDULE = {
    "schedule": "ExponentialDecay",
    "initial_learning_rate": 0.05,
    "decay_rate": 0.7,
}


@pytest.fixture(autouse=True)
def _aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trained(
    folder: Path, *, folds: int | None, **parameters: Any
) -> tuple[Any, Trained, list[Message]]:
    from trainer.fit.training import train_model
    from trainer.models.source import build_model

    directory = folder / DATA_DIRECTORY
    directory.mkdir(exist_ok=True)
    plain_dataset(folds=folds).save(directory)
    reports: list[Message] = []
    model = build_model(WITH_DROPOUT, seed=3)
    wanted = TrainingParameters.model_validate(
        {"epochs": 2, "batch_size": 16, **parameters}
    )
    return model, train_model(model, wanted, send=reports.append), reports


@pytest.mark.parametrize(
    "fit", [{"learning_rate": SCHEDULE}, {"reduce_lr_on_plateau": {"patience": 0}}]
)
def test_the_final_model_is_bitwise_the_one_without_folds(
    tmp_path: Path, fit: dict[str, Any]
) -> None:
    plain, without, _ = trained(tmp_path, folds=None, fit=fit)
    model, validated, reports = trained(tmp_path, folds=3, fit=fit)
    for ours, theirs in zip(plain.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    assert validated.test == without.test
    assert without.cross_validation is None
    found = validated.cross_validation
    assert found is not None
    assert found.folds == 3
    assert set(found.metrics) == {"loss", "accuracy"}
    for metric in found.metrics.values():
        values = np.array(metric.values, np.float64)
        assert metric.mean == pytest.approx(values.mean())
        assert metric.deviation == pytest.approx(values.std(ddof=1))
    assert len(set(found.metrics["loss"].values)) == 3
    told = {each.report.fold for each in reports if isinstance(each, FitProgressed)}
    assert told == {1, 2, 3, None}
    assert sum(isinstance(each, EpochDone) for each in reports) == 2


@pytest.mark.parametrize("strategy", ["shuffled", "stratified", "ordered"])
def test_folds_are_as_large_as_each_other(strategy: Any) -> None:
    labels = np.repeat([0, 1], [90, 10])
    numbers = fold_numbers(labels, folds=3, strategy=strategy, seed=1)
    assert sorted(np.bincount(numbers)) == [33, 33, 34]
    again = fold_numbers(labels, folds=3, strategy=strategy, seed=1)
    assert np.array_equal(numbers, again)
    rare = np.bincount(numbers[labels == 1], minlength=3)
    if strategy == "stratified":
        assert sorted(rare) == [3, 3, 4]
    if strategy == "ordered":
        assert (np.diff(numbers) >= 0).all()


def test_more_folds_than_records_are_refused() -> None:
    from trainer.data.dataset import Dataset
    from trainer.data.demands import check_demands
    from trainer.exceptions import StreamError

    whole = plain_dataset(validation_rate=0)
    few = type(whole.parts)(whole.parts.training[:4], *[whole.parts.test] * 2)
    dataset = Dataset(whole.features, whole.labels, few)
    check_demands(TrainingParameters(folds=4), dataset)
    with pytest.raises(StreamError, match=r"4 training records .* 5 folds") as caught:
        check_demands(TrainingParameters(folds=5), dataset)
    assert caught.value.reason is FailureReason.BAD_STREAM
