import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkaml.schemas.deployments import SplitStrategy
from trainer.data.split import Split, split

STRATEGIES: tuple[SplitStrategy, ...] = ("shuffled", "stratified", "ordered")


def parts_of(
    labels: list[int],
    validation: float,
    test: float,
    strategy: SplitStrategy,
    seed: int = 0,
) -> Split:
    return split(
        len(labels),
        np.asarray(labels),
        validation_rate=validation,
        test_rate=test,
        strategy=strategy,
        seed=seed,
    )


labels_of = st.lists(st.integers(0, 5), max_size=200)
rates = st.tuples(st.floats(0, 0.49), st.floats(0, 0.49))


@given(labels_of, rates, st.sampled_from(STRATEGIES), st.integers(0, 2**31 - 1))
def test_every_record_is_in_exactly_one_part(
    labels: list[int],
    validation_and_test: tuple[float, float],
    strategy: SplitStrategy,
    seed: int,
) -> None:
    parts = parts_of(labels, *validation_and_test, strategy, seed)
    everything = np.concatenate([parts.training, parts.validation, parts.test])
    assert sorted(everything.tolist()) == list(range(len(labels)))


@given(labels_of, rates, st.sampled_from(STRATEGIES), st.integers(0, 2**31 - 1))
def test_parts_have_their_size_and_come_out_the_same_again(
    labels: list[int],
    validation_and_test: tuple[float, float],
    strategy: SplitStrategy,
    seed: int,
) -> None:
    validation, test = validation_and_test
    parts = parts_of(labels, validation, test, strategy, seed)
    again = parts_of(labels, validation, test, strategy, seed)
    assert abs(len(parts.validation) - len(labels) * validation) <= 1
    assert abs(len(parts.test) - len(labels) * test) <= 1
    for one, other in zip(
        (parts.training, parts.validation, parts.test),
        (again.training, again.validation, again.test),
        strict=True,
    ):
        assert np.array_equal(one, other)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(0, 1000))
def test_stratified_gives_each_part_its_share_of_each_class(
    counts: list[int], seed: int
) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    parts = parts_of(labels, 0.25, 0.25, "stratified", seed)
    for label, count in enumerate(counts):
        of_class = np.asarray(labels) == label
        assert abs(of_class[parts.validation].sum() - count / 4) <= 2
        assert abs(of_class[parts.test].sum() - count / 4) <= 2


def test_stratified_knows_classes_by_one_hot_labels_too() -> None:
    labels = np.eye(4, dtype=np.float32)[np.arange(80) % 4]
    parts = split(
        80, labels, validation_rate=0.1, test_rate=0.2, strategy="stratified", seed=3
    )
    assert labels[parts.validation].sum(axis=0).tolist() == [2, 2, 2, 2]
    assert labels[parts.test].sum(axis=0).tolist() == [4, 4, 4, 4]


def test_ordered_keeps_the_last_records_for_the_test() -> None:
    parts = parts_of([0] * 10, 0.2, 0.3, "ordered")
    assert parts.training.tolist() == [0, 1, 2, 3, 4]
    assert parts.validation.tolist() == [5, 6]
    assert parts.test.tolist() == [7, 8, 9]


def test_another_seed_draws_other_records() -> None:
    one = parts_of([0] * 100, 0.2, 0.2, "shuffled", 1)
    other = parts_of([0] * 100, 0.2, 0.2, "shuffled", 2)
    assert not np.array_equal(one.test, other.test)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_too_few_records_leave_none_to_train_on(strategy: SplitStrategy) -> None:
    parts = parts_of([0, 1], 0.2, 0.2, strategy)
    assert (len(parts.training), len(parts.validation), len(parts.test)) == (0, 1, 1)
