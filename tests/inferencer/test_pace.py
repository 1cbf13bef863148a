from inferencer.pace import Backoff, BatchLimit


def test_full_quick_batches_make_the_limit_grow_to_its_bound() -> None:
    limit = BatchLimit(most_records=1000, most_seconds=5)

    for _ in range(20):
        limit.learn(records=limit.records, seconds=0.01)

    assert limit.records == 1000


def test_batches_that_were_not_full_teach_nothing() -> None:
    limit = BatchLimit(most_records=1000, most_seconds=5)

    limit.learn(records=1, seconds=0.01)

    assert limit.records == 32


def test_a_slow_model_gets_small_batches() -> None:
    limit = BatchLimit(most_records=1000, most_seconds=5)

    limit.learn(records=32, seconds=64)
    assert limit.records == 2
    limit.learn(records=2, seconds=60)
    assert limit.records == 1


def test_a_small_bound_is_kept_from_the_start() -> None:
    assert BatchLimit(most_records=1, most_seconds=5).records == 1


def test_waits_double_up_to_a_limit_and_begin_again() -> None:
    backoff = Backoff(first_seconds=1, most_seconds=4)

    waits = [backoff.seconds() for _ in range(4)]
    backoff.reset()

    for wait, ceiling in zip([*waits, backoff.seconds()], [1, 2, 4, 4, 1], strict=True):
        assert ceiling / 2 <= wait <= ceiling
