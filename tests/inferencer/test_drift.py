"""When the records of a replica count as other than those of the training."""

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inferencer.drift import SHARE, DriftWatch
from inferencer.drift_metrics import DriftCollector
from inferencer.window import Reference, classes_of
from kafkaml.histograms import bin_numbers
from kafkaml.profiles import HISTOGRAM_BINS, DataProfile, ValueProfile
from kafkaml.schemas.results import Percentiles
from kafkaml.schemas.statistics import DriftOptions, WindowDrift

FEATURES = 6
NONE = Percentiles(p1=0, p5=0, p25=0, p50=0, p75=0, p95=0, p99=0)
Rows = NDArray[Any]


def records(count: int, *, seed: int, shift: float = 0.0) -> Rows:
    rows = np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32)
    rows[:, 2] += shift
    return rows


def scores(rows: Rows) -> Rows:
    """Return scores of three classes; the third feature decides."""
    return np.stack([-rows[:, 2], np.zeros(len(rows)), rows[:, 2] - 0.5], axis=1)


def profile(rows: Rows) -> DataProfile:
    numbers, counts = np.unique(scores(rows).argmax(axis=1), return_counts=True)
    return DataProfile(
        records=len(rows),
        profiled=len(rows),
        shape=[FEATURES],
        overall=None,
        features=[_values(column.astype(np.float64)) for column in rows.T],
        classes={
            str(each): int(count) for each, count in zip(numbers, counts, strict=True)
        },
        labels=[],
    )


def _values(column: Rows) -> ValueProfile:
    low, high = float(column.min()), float(column.max())
    bins = np.bincount(bin_numbers(column, low, high), minlength=HISTOGRAM_BINS)
    return ValueProfile(
        count=len(column),
        missing=0,
        mean=None,
        deviation=None,
        minimum=low,
        maximum=high,
        percentiles=NONE,
        histogram=bins.tolist(),
    )


def watch(*, trained_on: int = 5000, share: float = 1e6, **options: Any) -> DriftWatch:
    found = DriftWatch(share=share)
    found.compare_with(
        Reference.of(
            profile(records(trained_on, seed=1)),
            training_id=7,
            options=DriftOptions(**options),
            names=["a", "b", "heat", "d", "e", "f"],
        )
    )
    return found


def windows_of(watched: DriftWatch, rows: Rows, *, batch: int = 50) -> list[WindowDrift]:
    """Return the windows that records in batches make."""
    found: list[WindowDrift] = []
    for first in range(0, len(rows), batch):
        part = rows[first : first + batch]
        watched.observe(part, scores(part))
        if watched.newest is not None and watched.newest not in found[-1:]:
            found.append(watched.newest)
    return found


@pytest.mark.parametrize("trained_on", [150, 1000, 50_000])
def test_records_like_those_of_the_training_raise_no_alarm(trained_on: int) -> None:
    found = windows_of(watch(trained_on=trained_on), records(200_000, seed=2))
    assert len(found) > 150
    assert max(each.level for each in found) < 1


def test_records_that_have_shifted_do() -> None:
    [found] = windows_of(watch(), records(1000, seed=3, shift=1.0))
    assert found.training_id == 7
    assert found.records >= 1000
    assert found.level > 1
    assert found.features is not None
    assert (found.features.top[0].feature, found.features.top[0].name) == (2, "heat")
    assert found.features.psi_max > 0.2
    assert found.classes is not None
    assert found.classes.psi > 0.2
    assert sum(found.classes.shares.values()) == pytest.approx(1)


def test_a_window_that_is_not_full_says_nothing() -> None:
    assert not windows_of(watch(), records(900, seed=3, shift=5.0))


def test_only_classes_are_compared_if_so_wanted() -> None:
    [found] = windows_of(watch(features=False), records(1000, seed=3, shift=1.0))
    assert found.features is None
    assert found.level > 1


def test_another_training_begins_a_new_window() -> None:
    watched = watch()
    windows_of(watched, records(900, seed=3, shift=5.0))
    watched.compare_with(None)
    assert not windows_of(watched, records(5000, seed=3, shift=5.0))


def test_records_and_answers_of_another_form_do_no_harm() -> None:
    watched = watch()
    for rows in (np.zeros((100, 3)), np.full((100, FEATURES), "text"), np.zeros((100, 0))):
        for width in (1, 3, 5):
            watched.observe(rows, np.zeros((100, width)))
            watched.observe(rows[:5], np.zeros((5, width)))


def test_counting_takes_a_hundredth_of_the_time() -> None:
    watched = watch(window_records=100, share=SHARE)
    rows = records(1024, seed=4)
    predictions = scores(rows)
    began, calls = time.perf_counter(), 0
    while time.perf_counter() < began + 1.0:
        watched.observe(rows, predictions)
        calls += 1
    assert watched.newest is not None
    assert calls > 10_000, "most of the time was left to others"


@pytest.mark.parametrize(
    ("predictions", "classes", "expected"),
    [
        ([[0.2], [0.7], [0.5]], 2, [1, 2]),
        ([[0.1, 0.9], [np.nan, 1.0]], 2, [0, 1]),
        ([[0.1, 0.9, 0.0]], 2, [0, 1, 0]),
        ([[4.2], [5.1]], 7, None),
    ],
)
def test_classes_are_those_that_are_likeliest(
    predictions: list[list[float]], classes: int, expected: list[int] | None
) -> None:
    found = classes_of(np.array(predictions), np.ones(classes, np.int64))
    assert (None if found is None else found.tolist()) == expected


def test_prometheus_sees_the_newest_window_and_few_features() -> None:
    collector = DriftCollector()
    assert not [sample for family in collector.collect() for sample in family.samples]
    [collector.window] = windows_of(watch(), records(1000, seed=3, shift=1.0))
    samples = [sample for family in collector.collect() for sample in family.samples]
    assert {sample.labels["training_id"] for sample in samples} == {"7"}
    named = [each for each in samples if each.labels.get("feature") == "heat"]
    assert {each.name for each in named} == {
        "kafkaml_inferencer_feature_drift_psi",
        "kafkaml_inferencer_feature_drift_ks",
    }
