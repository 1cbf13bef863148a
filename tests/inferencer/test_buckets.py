from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferencer.engines.buckets import BucketPlanner

prices = st.dictionaries(
    st.sampled_from([1, 2, 8, 32, 64]),
    st.floats(min_value=1e-6, max_value=1.0),
    min_size=1,
)


@given(seconds=prices, rows=st.integers(1, 128))
def test_a_plan_holds_all_rows_for_the_least_price(
    seconds: dict[int, float], rows: int
) -> None:
    planner = BucketPlanner(seconds)

    plan = planner.plan(rows)

    assert sum(plan) >= rows
    assert set(plan) <= planner.sizes
    # Without any one of its calls it would not hold them.
    assert sum(plan) - min(plan) < rows
    assert planner.seconds(rows) == pytest.approx(least(seconds, rows))


@given(seconds=prices, rows=st.integers(1, 100_000))
def test_a_batch_of_any_size_costs_little_more_than_by_the_cheapest_rows(
    seconds: dict[int, float], rows: int
) -> None:
    planner = BucketPlanner(seconds)

    assert sum(planner.plan(rows)) >= rows
    cheapest = min(price / size for size, price in seconds.items())
    thriftiest = max(size for size, price in seconds.items() if price / size == cheapest)
    calls = -(-rows // thriftiest)
    assert planner.seconds(rows) <= calls * seconds[thriftiest] * (1 + 1e-9)


def test_a_large_call_that_is_slower_than_its_parts_is_never_made() -> None:
    planner = BucketPlanner({1: 40e-6, 8: 270e-6, 32: 1e-3, 256: 20e-3})

    assert planner.plan(256) == (32,) * 8
    assert 256 not in planner.sizes


def test_a_few_rows_take_a_larger_call_where_that_is_cheaper() -> None:
    planner = BucketPlanner({1: 10e-6, 8: 15e-6, 32: 40e-6})

    assert [planner.plan(rows) for rows in (1, 2, 8, 9, 20)] == [
        (1,),
        (8,),
        (8,),
        (8, 1),
        (32,),
    ]


def least(seconds: dict[int, float], rows: int) -> float:
    """The least price, by looking at each number of rows in turn."""
    prices = [0.0]
    for count in range(1, rows + 1):
        prices.append(
            min(price + prices[max(0, count - size)] for size, price in seconds.items())
        )
    assert all(one <= other + 1e-12 for one, other in pairwise(prices))
    return prices[-1]
