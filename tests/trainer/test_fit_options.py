"""What the options of a deployment do to a fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainer.fitting import Fit, plain_dataset
from tests.trainer.orders import CLASSIFIER
from trainer.data.dataset import Dataset
from trainer.exceptions import ModelCodeError
from trainer.messages import EpochDone, FitProgressed

SGD = CLASSIFIER.replace("Adam(0.05)", "SGD(0.05)")
SCHEDULED = CLASSIFIER.replace(
    "Adam(0.05)", "Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))"
)
OWN_STEP = """\
import keras

class Own(keras.Sequential):
    def train_step(self, data):
        return {"own": super().train_step(data)["loss"]}

    def test_step(self, data):
        return {"other": super().test_step(data)["loss"]}

model = Own([keras.Input((2,)), keras.layers.Dense(3, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")
"""


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return plain_dataset()


@pytest.fixture(autouse=True)
def _aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_fit_that_no_longer_gets_better_is_stopped_early(dataset: Dataset) -> None:
    stopping = {"monitor": "val_loss", "patience": 2, "min_delta": 100.0}
    fit = Fit(dataset, epochs=9, fit={"early_stopping": stopping})
    assert len(fit.epochs) == fit.fitted.summary.epochs == 3
    assert fit.fitted.summary.stopped_early
    assert fit.fitted.summary.best_epoch is None


def test_the_best_epoch_is_kept_with_its_metrics(dataset: Dataset) -> None:
    from trainer.fit.batches import BatchSource
    from trainer.fit.evaluation import evaluate

    worse_and_worse = {
        "schedule": "PiecewiseConstantDecay",
        "boundaries": [2],
        "values": [0.02, 3.0],
    }
    fit = Fit(
        dataset,
        epochs=4,
        fit={"restore_best": {"monitor": "val_loss"}, "learning_rate": worse_and_worse},
    )
    losses = [value for value in fit.curve("val_loss") if value is not None]
    best = int(np.argmin(losses))
    assert fit.fitted.summary.best_epoch == best + 1 < 4
    assert fit.fitted.validation["loss"] == losses[best]
    assert fit.fitted.training["loss"] == fit.curve("loss")[best]
    measured = evaluate(fit.model, BatchSource(dataset), dataset.parts.validation, size=16)
    assert measured["loss"] == pytest.approx(losses[best], rel=1e-5)


@pytest.mark.parametrize(
    ("rate", "curve"),
    [
        (0.25, [0.25, 0.25, 0.25]),
        (
            {
                "schedule": "ExponentialDecay",
                "initial_learning_rate": 0.1,
                "decay_rate": 0.5,
            },
            [0.05, 0.025, 0.0125],
        ),
        ({"schedule": "CosineDecay", "initial_learning_rate": 0.1}, [0.075, 0.025, 0.0]),
        (
            {
                "schedule": "CosineDecay",
                "initial_learning_rate": 0.0,
                "warmup_target": 0.2,
                "warmup_epochs": 1,
            },
            [0.2, 0.1, 0.0],
        ),
        (
            {
                "schedule": "PiecewiseConstantDecay",
                "boundaries": [1.5],
                "values": [0.1, 0.01],
            },
            [0.1, 0.01, 0.01],
        ),
    ],
    ids=["number", "exponential", "cosine", "warm-up", "piecewise"],
)
def test_the_learning_rate_goes_as_wanted_by_epochs(
    dataset: Dataset, rate: Any, curve: list[float]
) -> None:
    fit = Fit(dataset, fit={"learning_rate": rate})
    assert fit.curve("learning_rate") == pytest.approx(curve, abs=1e-6)
    assert fit.fitted.summary.learning_rate == pytest.approx(curve[-1], abs=1e-6)
    assert "learning_rate" not in fit.fitted.training


def test_the_learning_rate_falls_on_a_plateau(dataset: Dataset) -> None:
    plateau = {"monitor": "loss", "factor": 0.5, "patience": 1, "min_delta": 100.0}
    fit = Fit(dataset, fit={"reduce_lr_on_plateau": plateau, "learning_rate": 0.01})
    assert fit.curve("learning_rate") == pytest.approx([0.01, 0.01, 0.005])


def test_a_schedule_of_the_source_is_replaced_by_a_schedule(dataset: Dataset) -> None:
    rate = {
        "schedule": "ExponentialDecay",
        "initial_learning_rate": 0.1,
        "decay_rate": 1.0,
    }
    fit = Fit(dataset, SCHEDULED, epochs=1, fit={"learning_rate": rate})
    assert fit.curve("learning_rate") == pytest.approx([0.1])


@pytest.mark.parametrize(
    "options",
    [{"learning_rate": 0.1}, {"reduce_lr_on_plateau": {"monitor": "loss"}}],
    ids=str,
)
def test_a_schedule_of_the_source_cannot_be_set_to_a_number(
    dataset: Dataset, options: dict[str, Any]
) -> None:
    with pytest.raises(ModelCodeError, match="schedule"):
        Fit(dataset, SCHEDULED, fit=options)


@pytest.mark.parametrize("name", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_clipped_gradients_move_weights_by_little(dataset: Dataset, name: str) -> None:
    from trainer.models.source import build_model

    fit = Fit(dataset, SGD, epochs=1, fit={name: 1e-3})
    for before, after in zip(
        build_model(SGD, seed=3).get_weights(), fit.model.get_weights(), strict=True
    ):
        assert np.abs(before - after).max() < 14 * 0.05 * 1e-3 + 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": {"monitor": "val_acc"}},
        {"restore_best": {"monitor": "los"}},
        {"reduce_lr_on_plateau": {"monitor": "val_accurcy"}},
    ],
    ids=str,
)
def test_a_metric_that_does_not_exist_ends_the_fit_at_its_first_step(
    dataset: Dataset, options: dict[str, Any]
) -> None:
    reports: list[Any] = []
    names = "it reports accuracy, loss, val_accuracy, val_loss"
    with pytest.raises(ModelCodeError, match=names) as caught:
        Fit(dataset, reports=reports, fit=options)
    [(option, monitored)] = options.items()
    assert f"fit.{option} monitors {monitored['monitor']!r}" in caught.value.message
    assert not reports


def test_a_model_with_steps_of_its_own_is_monitored_by_its_own_metrics(
    dataset: Dataset,
) -> None:
    reports: list[Any] = []
    good = {"monitor": "val_other", "mode": "min"}
    assert Fit(dataset, OWN_STEP, fit={"restore_best": good}).fitted.summary.best_epoch
    bad = {"early_stopping": {"monitor": "val_own"}}
    with pytest.raises(ModelCodeError, match="it reports own, val_other"):
        Fit(dataset, OWN_STEP, reports=reports, fit=bad)
    assert [type(each) for each in reports] == [FitProgressed, EpochDone]
