"""How far counts are from others, on values that are known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from kafkaml.drift import FeatureBins, ks, ks_by_chance, psi, psi_by_chance
from kafkaml.profiles import ValueProfile
from kafkaml.schemas.results import Percentiles

COUNTS = arrays.arrays(np.int64, 17, elements=st.integers(0, 10_000))
NOTHING = Percentiles(p1=0, p5=0, p25=0, p50=0, p75=0, p95=0, p99=0)


def profile(
    histogram: list[int], *, minimum: float | None, maximum: float | None, missing: int = 0
) -> ValueProfile:
    return ValueProfile(
        count=sum(histogram),
        missing=missing,
        mean=None,
        deviation=None,
        minimum=minimum,
        maximum=maximum,
        percentiles=NOTHING,
        histogram=histogram,
    )


def test_psi_of_known_shares() -> None:
    shares = np.array([[500_000, 500_000]])
    found = psi(shares, np.array([[250_000, 750_000]]))
    assert found[0] == pytest.approx(0.25 * np.log(3), rel=1e-4)


def test_ks_of_known_shares() -> None:
    assert ks(np.array([10, 10, 10, 10]), np.array([0, 0, 20, 20])) == pytest.approx(0.5)


@given(COUNTS)
def test_counts_do_not_differ_from_themselves(counts: NDArray[Any]) -> None:
    assert psi(counts, counts) == pytest.approx(0)
    assert ks(counts, counts) == pytest.approx(0)


@given(COUNTS, COUNTS)
def test_both_figures_are_bounded_and_symmetric(
    one: NDArray[Any], two: NDArray[Any]
) -> None:
    there, back = psi(one, two), psi(two, one)
    assert 0 <= there < np.inf
    assert there == pytest.approx(float(back))
    assert 0 <= ks(one, two) <= 1 + 1e-9
    assert ks(one, two) == pytest.approx(float(ks(two, one)))


def test_what_was_never_counted_says_nothing() -> None:
    nothing = np.zeros((1, 17), np.int64)
    assert psi(nothing, nothing + 5) == ks(nothing, nothing + 5) == 0


def test_records_like_those_of_the_training_stay_below_what_chance_explains() -> None:
    generator = np.random.default_rng(7)
    for values in (
        generator.normal(size=(200_000, 20)),
        generator.exponential(size=(200_000, 20)),
        generator.integers(0, 5, size=(200_000, 20)).astype(float),
        generator.binomial(1, 0.002, size=(200_000, 20)).astype(float),
    ):
        training, rest = values[:2000], values[2000:]
        bins = FeatureBins.of([_profiled(column) for column in training.T])
        sizes = {"reference": len(training), "window": 1000}
        psi_limit = psi_by_chance(bins=17, comparisons=20, **sizes)
        ks_limit = ks_by_chance(comparisons=20, **sizes)
        for first in range(0, len(rest), 1000):
            window = bins.count(rest[first : first + 1000])
            assert bins.psi(window).max() < psi_limit
            assert bins.ks(window).max() < ks_limit


@pytest.mark.parametrize("shift", [0.5, -0.5])
def test_a_shift_of_half_a_deviation_is_above_it(shift: float) -> None:
    generator = np.random.default_rng(8)
    training = generator.normal(size=(5000, 3))
    bins = FeatureBins.of([_profiled(column) for column in training.T])
    records = generator.normal(size=(1000, 3))
    records[:, 1] += shift
    found = bins.psi(bins.count(records))
    assert found[1] > max(
        0.2, psi_by_chance(bins=17, reference=5000, window=1000, comparisons=3)
    )
    assert found[[0, 2]].max() < 0.1


def test_values_beyond_the_training_and_missing_ones_count() -> None:
    bins = FeatureBins.of([profile([10] * 16, minimum=0, maximum=16, missing=5)])
    counted = bins.count(np.array([[-5.0], [0.5], [99.0], [np.nan], [np.inf]]))
    assert counted[0].tolist() == [2, *[0] * 14, 1, 2]


def test_values_at_the_ends_of_bins_stay_in_theirs_in_any_type() -> None:
    steps = np.linspace(-1.2345678, 2.3456789, 5)
    bins = FeatureBins.of([_profiled(np.repeat(steps, 100))])
    for kind in (np.float64, np.float32):
        window = bins.count(np.repeat(steps, 20).astype(kind)[:, None])
        assert bins.psi(window)[0] < 0.01


def test_what_was_always_the_same_is_far_off_when_it_changes() -> None:
    bins = FeatureBins.of([profile([100, *[0] * 15], minimum=5, maximum=5)] * 3)
    counted = bins.count(np.array([[5.0, 5.1, 4.9]] * 50, np.float32))
    assert bins.ks(counted).tolist() == [0, 1, 1]


def test_a_feature_without_a_finite_value_is_compared_too() -> None:
    bins = FeatureBins.of([profile([0] * 16, minimum=None, maximum=None, missing=100)])
    assert bins.psi(bins.count(np.full((50, 1), np.nan))) == pytest.approx(0, abs=0.02)
    assert bins.psi(bins.count(np.ones((50, 1)))) > 1


def _profiled(column: NDArray[Any]) -> ValueProfile:
    low, high = float(column.min()), float(column.max())
    one = FeatureBins.of([profile([0] * 16, minimum=low, maximum=high)])
    return profile(one.count(column[:, None])[0, :16].tolist(), minimum=low, maximum=high)
