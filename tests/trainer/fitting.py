"""Fits in this process, on arrays made here."""

from typing import Any

import numpy as np

from kafkaml.schemas.deployments import TrainingParameters
from tests.trainer.orders import CLASSIFIER
from trainer.data.dataset import Dataset
from trainer.data.split import fold_numbers, split
from trainer.messages import EpochDone, FitProgressed, Message

COUNT = 300


def plain_dataset(*, validation_rate: float = 0.2, folds: int | None = None) -> Dataset:
    """Return two normal features whose class is the sign of the first."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(COUNT, 2)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.uint8)
    parts = split(
        COUNT,
        labels,
        validation_rate=validation_rate,
        test_rate=0.1,
        strategy="shuffled",
        seed=1,
    )
    numbers = np.empty(0, np.int64)
    if folds:
        numbers = fold_numbers(
            labels[parts.training], folds=folds, strategy="shuffled", seed=1
        )
    return Dataset(features, labels, parts, numbers)


class Fit:
    """A model built from a source and fitted, and all that it reported."""

    def __init__(
        self,
        dataset: Dataset,
        source: str = CLASSIFIER,
        *,
        reports: list[Message] | None = None,
        memory_bytes: int | None = None,
        **parameters: Any,
    ) -> None:
        from trainer.checkpoints.checkpointer import Checkpointer
        from trainer.fit.batches import BatchSource, steps_of
        from trainer.fit.fitter import Fitter
        from trainer.fit.options import prepare_model
        from trainer.models.source import build_model

        wanted = TrainingParameters.model_validate(
            {"batch_size": 16, "epochs": 3, **parameters}
        )
        steps = steps_of(len(dataset.parts.training), wanted.batch_size)
        self.reports: list[Message] = [] if reports is None else reports
        self.model = build_model(source, seed=3)
        prepare_model(self.model, wanted, steps=steps, fewest_steps=steps)
        self.fitter = Fitter(
            model=self.model,
            source=BatchSource(dataset, memory_bytes=memory_bytes),
            parameters=wanted,
            send=self.reports.append,
            checkpointer=Checkpointer(wanted=None, send=self.reports.append),
        )
        self.parameters = wanted
        self.fitted = self.fitter.fit(dataset.parts.training, dataset.parts.validation)

    @property
    def epochs(self) -> list[dict[str, float | None]]:
        return [each.report.values for each in self.reports if isinstance(each, EpochDone)]

    @property
    def steps(self) -> list[FitProgressed]:
        return [each for each in self.reports if isinstance(each, FitProgressed)]

    def curve(self, name: str) -> list[float | None]:
        return [values[name] for values in self.epochs]


def assert_same_weights(one: Any, other: Any) -> None:
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    assert int(one.optimizer.iterations) == int(other.optimizer.iterations)
